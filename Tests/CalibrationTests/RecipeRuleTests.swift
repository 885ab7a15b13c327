import Cluster
import Testing
import Workload

@testable import Calibration

@Suite("Recipes by release, device, routing and precision")
struct RecipeRuleTests {
    private func behaviour(
        _ device: String, release: String?, routing: String = "even+dropless", precision: Precision = .mxfp8, isMoE: Bool = true
    ) throws -> StackBehaviour {
        var stack = SoftwareStack(framework: "megatron-bridge")
        stack.release = release
        stack.routing = routing
        return try StackTable.shared.get().behaviour(
            of: stack, on: Catalogue.accelerator(named: device), isMoE: isMoE, precision: precision)
    }

    @Test("whole-step graphs of MoE: with dropped tokens in 25.09, dropless since 26.06, on Blackwell")
    func graphs() throws {
        #expect(try behaviour("gb200-186gb", release: "26.06.01").cudaGraphs)
        #expect(try behaviour("gb200-186gb", release: "26.06.01").fusedExperts)
        #expect(try !behaviour("gb200-186gb", release: "26.04").cudaGraphs)
        #expect(try behaviour("b200-sxm-180gb", release: "25.09", routing: "even+drop", precision: .fp8).cudaGraphs)
        #expect(try !behaviour("b200-sxm-180gb", release: "25.09", routing: "even+drop", precision: .fp8).fusedExperts)
        #expect(try !behaviour("b200-sxm-180gb", release: "25.11", routing: "even+drop").cudaGraphs)
        #expect(try !behaviour("h100-sxm-80gb", release: "26.08", precision: .fp8).cudaGraphs)
        #expect(try !behaviour("gb200-186gb", release: "26.06", isMoE: false).cudaGraphs)
        #expect(try !behaviour("gb200-186gb", release: nil).cudaGraphs)
    }
}
