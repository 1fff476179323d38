import Testing

@testable import EtcdStorage

@Suite struct ClusterIdentityTests {
    @Test func `Member and cluster ids are those that etcd derives`() throws {
        let cluster = "m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380,m3=http://10.0.0.3:2380"
        let identity = try ClusterIdentity(initialCluster: cluster, token: "tok")
        #expect(try identity.member(named: "m1").hexID == "98521e8c6c48c6da")
        #expect(try identity.member(named: "m2").hexID == "61b046c1789d11d8")
        #expect(try identity.member(named: "m3").hexID == "7aa181191753809e")
        #expect(identity.clusterID == 0x8e67_f3b9_7769_8ab3)
        #expect(identity.members.map(\.id) == identity.members.map(\.id).sorted())
    }

    @Test func `The URLs of a member count sorted, and its name does not count`() throws {
        let one = try ClusterIdentity(initialCluster: "a=http://10.0.0.1:2379,a=http://10.0.0.2:2379", token: "")
        let other = try ClusterIdentity(initialCluster: "b=http://10.0.0.2:2379,b=http://10.0.0.1:2379", token: "")
        #expect(one.members[0].id == 16_552_244_735_972_308_939)
        #expect(one.clusterID == other.clusterID)
        #expect(try ClusterIdentity(initialCluster: "x=http://10.0.0.8:2379", token: "").members[0].id == 14_544_069_596_553_697_298)
    }

    @Test(arguments: [
        "", "m1", "m1=10.0.0.1:2380", "m1=ftp://10.0.0.1:2380", "m1=http://10.0.0.1", "m1=http://10.0.0.1:2380/path", "=http://a:1",
        "m1=http://a:1,m2=http://a:1", "../up=http://a:1", "m1=http://a:99999",
    ])
    func `What etcd would not take is refused`(_ cluster: String) {
        #expect(throws: StorageError.self) { try ClusterIdentity(initialCluster: cluster, token: "t") }
    }
}
