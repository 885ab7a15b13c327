/// How full links were in equal spans of time.
public struct LoadOverTime: Sendable, Hashable {
    /// Seconds of one span.
    public var span: Double
    public var links: [Int]
    /// [links][spans] bytes carried over what the link could have carried at its nominal rate.
    public var utilization: [[Double]]
}

extension Network {
    /// Runs the flows again and looks at some links at the end of every span.
    /// - Parameter end: of the traffic, from a run before.
    /// - Throws: `FabricError` as `simulate`.
    public func load(of flows: [Flow], on links: [Int], until end: Double, spans: Int) throws(FabricError) -> LoadOverTime {
        guard spans >= 1, spans <= 100_000 else { throw FabricError(key: "timeline", "\(spans) spans: from 1 to 100000 are possible") }
        var simulation = FlowSimulation(self)
        let order = flows.indices.sorted { Flow.comesBefore(flows[$0], flows[$1]) || (flows[$0] == flows[$1] && $0 < $1) }
        var next = 0
        var before = [Double](repeating: 0, count: links.count)
        var utilization = [[Double]](repeating: [], count: links.count)
        let span = end / Double(spans)
        for index in 1...spans {
            let limit = index == spans ? end : Double(index) * span
            while next < order.count, flows[order[next]].start <= limit {
                let flow = flows[order[next]]
                if flow.start > simulation.now { while try simulation.advance(until: flow.start) {} }
                try simulation.issue(flow, owner: 0)
                next += 1
            }
            while try simulation.advance(until: limit) {}
            for (place, link) in links.enumerated() {
                let sent = simulation.sent(over: link)
                let most = properties(ofLink: link).bandwidth * span
                utilization[place].append(most > 0 ? (sent - before[place]) / most : 0)
                before[place] = sent
            }
        }
        return LoadOverTime(span: span, links: links, utilization: utilization)
    }
}

extension FlowSimulation {
    /// Bytes that have gone over a link by now.
    func sent(over link: Int) -> Double {
        var result = carried[link]
        let alone = sharing.occupants[link]
        if alone >= 0 { return result + sharing.bytes[Int(alone)] - sharing.left(Int(alone), now: now) }
        for crossing in sharing.crossings.elements(link) {
            result += sharing.bytes[Int(crossing.flow)] - sharing.left(Int(crossing.flow), now: now)
        }
        return result
    }
}
