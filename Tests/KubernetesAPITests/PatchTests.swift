import KubernetesAPI
import Maintenance
import Testing

struct PatchTests {
    private func json(_ text: String) throws -> JSON { try JSON(parsing: text) }

    /// The examples of RFC 7386, appendix A.
    @Test(arguments: [
        (#"{"a":"b"}"#, #"{"a":"c"}"#, #"{"a":"c"}"#), (#"{"a":"b"}"#, #"{"b":"c"}"#, #"{"a":"b","b":"c"}"#), (#"{"a":"b"}"#, #"{"a":null}"#, "{}"),
        (#"{"a":"b","b":"c"}"#, #"{"a":null}"#, #"{"b":"c"}"#), (#"{"a":["b"]}"#, #"{"a":"c"}"#, #"{"a":"c"}"#),
        (#"{"a":"c"}"#, #"{"a":["b"]}"#, #"{"a":["b"]}"#),
        (#"{"a":{"b":"c"}}"#, #"{"a":{"b":"d","c":null}}"#, #"{"a":{"b":"d"}}"#), (#"["a","b"]"#, #"["c","d"]"#, #"["c","d"]"#),
        (#"{"a":"b"}"#, #"["c"]"#, #"["c"]"#),
        (#"{"e":null}"#, #"{"a":1}"#, #"{"e":null,"a":1}"#), ("{}", #"{"a":{"bb":{"ccc":null}}}"#, #"{"a":{"bb":{}}}"#),
    ])
    func `Merge patches do what the RFC says`(_ before: String, _ patch: String, _ after: String) throws {
        #expect(try json(before).merging(try json(patch)) == json(after))
    }

    @Test(arguments: [
        (
            #"{"a":1}"#, #"[{"op":"add","path":"/b","value":[1]},{"op":"add","path":"/b/-","value":2},{"op":"add","path":"/b/0","value":0}]"#,
            #"{"a":1,"b":[0,1,2]}"#
        ),
        (#"{"a~b/c":1}"#, #"[{"op":"replace","path":"/a~0b~1c","value":2}]"#, #"{"a~b/c":2}"#),
        (#"{"a":[1,2,3]}"#, #"[{"op":"remove","path":"/a/1"},{"op":"test","path":"/a/1","value":3}]"#, #"{"a":[1,3]}"#),
        (#"{"a":{"x":1}}"#, #"[{"op":"copy","from":"/a","path":"/b"},{"op":"move","from":"/a/x","path":"/c"}]"#, #"{"a":{},"b":{"x":1},"c":1}"#),
    ])
    func `JSON patches do what the RFC says`(_ before: String, _ patch: String, _ after: String) throws {
        #expect(try json(before).applying(jsonPatch: try json(patch)) == json(after))
    }

    @Test(arguments: [
        #"[{"op":"remove","path":"/nothing"}]"#, #"[{"op":"test","path":"/a","value":2}]"#, #"[{"op":"add","path":"/b/c/d","value":1}]"#,
        #"[{"op":"fly","path":"/a"}]"#,
        #"{"op":"add"}"#, #"[{"op":"add","path":"a","value":1}]"#, #"[{"op":"replace","path":"/a/9","value":1}]"#,
    ])
    func `A JSON patch that does not fit changes nothing`(_ patch: String) throws {
        let before = try json(#"{"a":1}"#)
        let operations = try json(patch)
        #expect(throws: PatchError.self) { try before.applying(jsonPatch: operations) }
    }

    @Test func `Strategic merge patches merge lists by their keys`() throws {
        let before = try json(
            #"{"spec":{"containers":[{"name":"a","image":"1","env":[{"name":"X","value":"1"}]},{"name":"b","image":"1"}],"args":["x"]}}"#)
        let patch = try json(
            #"{"spec":{"containers":[{"name":"b","image":"2"},{"name":"a","env":[{"name":"Y","value":"2"}]},{"name":"c","image":"3"}],"args":["y"]}}"#
        )
        let after = try before.merging(strategic: patch)
        #expect(
            try after
                == json(
                    #"{"spec":{"containers":[{"name":"a","image":"1","env":[{"name":"X","value":"1"},{"name":"Y","value":"2"}]},{"name":"b","image":"2"},{"name":"c","image":"3"}],"args":["y"]}}"#
                ))
        let removal = try json(#"{"spec":{"$setElementOrder/containers":[{"name":"b"}],"containers":[{"name":"a","$patch":"delete"}]}}"#)
        #expect(try before.merging(strategic: removal)["spec"]["containers"].elements.map { $0["name"].string } == ["b"])
        let whole = try json(#"{"spec":{"$patch":"replace","x":1}}"#)
        #expect(try before.merging(strategic: whole) == json(#"{"spec":{"x":1}}"#))
        #expect(
            try json(#"{"metadata":{"finalizers":["a","b"]}}"#).merging(
                strategic: json(#"{"metadata":{"$deleteFromPrimitiveList/finalizers":["a"]}}"#)) == json(#"{"metadata":{"finalizers":["b"]}}"#))
    }

    @Test func `Fields are owned element by element where lists have keys`() throws {
        let object = try json(
            #"{"apiVersion":"v1","metadata":{"name":"x","labels":{"a":"1"}},"spec":{"containers":[{"name":"c","image":"1"}],"args":["x"]}}"#)
        let fields = FieldSet.of(object)
        #expect(
            fields.json.description
                == #"{"f:metadata":{"f:labels":{"f:a":{}}},"f:spec":{"f:args":{},"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{}}}}}"#
        )
        var other = object
        other["spec"]["containers"] = try json(#"[{"name":"c","image":"2"}]"#)
        #expect(fields.conflicts(with: fields, between: object, and: other) == [#".spec.containers[name="c"].image"#])
        #expect(fields.subtracting(fields).isEmpty && fields.union(fields) == fields)
        #expect(fields.removed(from: object)["spec"]["containers"].elements.isEmpty)
    }
}

struct SelectorTests {
    @Test(arguments: [
        ("app=web", true), ("app==web,tier!=db", true), ("app in (web, api)", true), ("app notin (web)", false), ("app,!legacy", true),
        ("legacy", false),
        ("tier!=db", true), ("", true), ("version>1", true), ("version<1", false),
    ])
    func `Label selectors match as kubectl's do`(_ text: String, _ matches: Bool) throws {
        let selector = try LabelSelector(parsing: text)
        #expect(selector.matches(["app": "web", "version": "2"]) == matches)
        #expect(try LabelSelector(parsing: selector.text) == selector, "what is written is read again")
    }

    @Test(arguments: ["=", "a in", "a in (", "a in (b", "a b", "a=b c", "(a)", "a in b"])
    func `What is no selector is an error`(_ text: String) { #expect(throws: SelectorError.self) { try LabelSelector(parsing: text) } }

    @Test func `An empty v1beta1 budget covers nothing, an empty v1 budget everything`() {
        func budget(_ version: String, _ selector: JSON) -> DisruptionBudget {
            PodDisruptionBudget([
                "apiVersion": .string("policy/\(version)"), "metadata": ["name": "b", "namespace": "n"], "spec": ["selector": selector],
            ]).budget
        }
        let pod = PodFacts(name: ObjectName("n", "p"), uid: "1", labels: ["a": "b"])
        #expect(budget("v1", .object(JSONObject())).covers(pod) && !budget("v1beta1", .object(JSONObject())).covers(pod))
        #expect(!budget("v1", .null).covers(pod) && !budget("v1beta1", .null).covers(pod))
    }

    @Test func `Field selectors look at paths`() throws {
        let pod: JSON = ["spec": ["nodeName": "n"], "status": ["phase": "Running"]]
        #expect(try FieldSelector(parsing: "spec.nodeName=n,status.phase!=Succeeded").matches(pod))
        #expect(try !FieldSelector(parsing: "spec.nodeName=").matches(pod) && FieldSelector(parsing: "spec.unschedulable=false").matches(pod))
        #expect(throws: SelectorError.self) { try FieldSelector(parsing: "nothing") }
    }
}
