import HAProxy
import Maintenance
@testable import Operations
import Testing

struct RestartPlanTests {
    private let target = LoadBalancerAction.Target(loadBalancer: "vm", server: "masters/cp1")

    private func step(_ action: CertificateAction, undo: Undo<CertificateAction>) -> CertificateAction.Step {
        CertificateAction.Step(id: "", title: "", target: "cp1", reason: "", effect: "", undo: undo, isDisruptive: false, action: action)
    }

    @Test func `What drains a server is taken back by opening it, and what opens it by draining it, behind the gate`() {
        let drain = step(.traffic(.set(target, .drain)), undo: .by(.traffic(.set(target, .ready)), title: "open it again"))
        #expect(RestartPlan.reversible(drain) == drain)
        let open = RestartPlan.reversible(step(.traffic(.set(target, .ready)), undo: .nothing(because: "it was open before")))
        #expect(open.undo == .by(.traffic(.set(target, .drain)), title: "drain masters/cp1 again"))
        #expect(open.isDisruptive && open.isOwed == true)
    }
}
