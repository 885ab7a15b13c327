import Plan
import Quantities

/// The undisturbed step of a plan, to be timed many times under other constants: for fits and searches.
public struct StepReplay: Sendable {
    private let plan: Plan
    private let graph: StepGraph

    /// - Throws: `Fault` when the schedule cannot be played.
    public init(plan: Plan) throws(Fault) {
        self.plan = plan
        graph = try StepGraph(plan: plan, lanes: 1)
    }

    /// Seconds from one step to the next when everything costs what `costs` says.
    /// - Throws: `Fault` when a cost is not a time.
    public func seconds(costs: StageCosts) throws(Fault) -> Double {
        var player = try StepPlayer(plan: plan, graph: graph, costs: costs)
        return try player.seconds()
    }
}
