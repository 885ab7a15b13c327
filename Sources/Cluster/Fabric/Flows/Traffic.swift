import Quantities

/// What became of a set of flows.
public struct TrafficResult: Sendable {
    /// [flows] seconds, in the order given.
    public var finish: [Double]
    /// [flows] the link that held the flow back for the longest time; nil for flows that no link held back, and those held back by their own cap.
    public var bottleneck: [Int?]
    /// When the last flow finished, seconds.
    public var end: Double
    /// [links] bytes carried.
    public var carried: [Double]
    /// [links] bytes carried over what the link could have carried until `end`, at nominal capacity.
    public var utilization: [Double]
    /// Times that shares were solved.
    public var solves: Int
    /// [flows] every link that held the flow back, the longest first; empty where the network has neither faults nor congestion.
    public var waits: [[LinkWait]] = []

    /// Finish times in whole nanoseconds, rounded up.
    /// - Throws: `QuantityError` beyond the end of the clock.
    public func finishTimes() throws(QuantityError) -> [Instant] {
        var result: [Instant] = []
        for seconds in finish { result.append(Instant(nanoseconds: try Duration(seconds: seconds).nanoseconds)) }
        return result
    }
}

extension Network {
    /// Runs any set of flows. The result does not depend on the order of `flows`, to the last bit.
    /// - Throws: `FabricError` for an impossible flow (`flows[3].source: ...`), and when flows wait for ever.
    public func simulate(_ flows: [Flow], faults: [LinkFault] = []) throws(FabricError) -> TrafficResult {
        try simulate(flows, faults: faults, verifying: false)
    }

    func simulate(_ flows: [Flow], faults: [LinkFault] = [], verifying: Bool) throws(FabricError) -> TrafficResult {
        var simulation = FlowSimulation(self, noting: true)
        simulation.verifies = verifying
        for fault in faults { try simulation.schedule(fault) }
        let order = flows.indices.sorted { Flow.comesBefore(flows[$0], flows[$1]) || (flows[$0] == flows[$1] && $0 < $1) }
        var finish = [Double](repeating: 0, count: flows.count)
        func advance(until time: Double) throws(FabricError) {
            while try simulation.advance(until: time) {
                for index in 0..<simulation.finishedCount {
                    let one = simulation.finished(index)
                    finish[Int(one.owner)] = one.at
                }
            }
        }
        // Flows are issued when their time has come, because a route may depend on what is then under way.
        for index in order {
            let flow = flows[index]
            if flow.start > simulation.now, flow.start < .infinity { try advance(until: flow.start) }
            do { try simulation.issue(flow, owner: Int32(truncatingIfNeeded: index)) } catch {
                throw FabricError(key: "flows[\(index)].\(error.key)", error.message)
            }
        }
        try advance(until: .infinity)
        if let violation = simulation.violation { throw FabricError(key: "sharing", violation) }
        let end = finish.max() ?? 0
        let carried = (0..<linkCount).map { simulation.carried[$0] }
        let utilization = carried.enumerated().map { end > 0 ? $1 / (properties(ofLink: $0).bandwidth * end) : 0 }
        let bottleneck = (simulation.account?.longest(flows: flows.count) ?? []).map { (0..<linkCount).contains($0) ? $0 : nil }
        let isDisturbed = !faults.isEmpty || !self.faults.isEmpty || congestion != nil
        return TrafficResult(
            finish: finish, bottleneck: bottleneck, end: end, carried: carried, utilization: utilization, solves: simulation.solves,
            waits: isDisturbed ? simulation.account?.waits(flows: flows.count, links: linkCount) ?? [] : [])
    }
}
