@testable import Cluster

/// Fair sharing by the definition alone: its own event loop, all rates solved anew at every event, no memory of anything but bytes left.
struct FabricOracle {
    let network: Network

    /// [flows] seconds.
    func finishTimes(_ flows: [Flow]) -> [Double] {
        let routes = flows.map { network.route(from: $0.source, to: $0.destination, key: $0.key) }
        let latency = routes.map { $0.reduce(0.0) { $0 + network.properties(ofLink: $1).latency } }
        let weights = flows.indices.map { network.fairness == .rtt ? flows[$0].weight / latency[$0] : flows[$0].weight }
        var left = flows.map(\.bytes)
        var finish = [Double](repeating: -1, count: flows.count)
        let begin = flows.indices.map { flows[$0].start + latency[$0] }
        for flow in flows.indices where left[flow] == 0 || routes[flow].isEmpty { finish[flow] = begin[flow] }
        var now = 0.0
        while finish.contains(where: { $0 < 0 }) {
            let draining = flows.indices.filter { finish[$0] < 0 && begin[$0] <= now }
            let rates = self.rates(draining, routes, weights, flows)
            var next = flows.indices.filter { begin[$0] > now && finish[$0] < 0 }.map { begin[$0] }.min() ?? .infinity
            for flow in draining { next = min(next, now + left[flow] / rates[flow]) }
            for flow in draining {
                let done = now + left[flow] / rates[flow]
                if done <= next * (1 + 1e-13) {
                    finish[flow] = done
                } else {
                    left[flow] -= rates[flow] * (next - now)
                }
            }
            now = next
        }
        return finish
    }

    /// Progressive filling in its plainest form: raise the level to that of the first full link or cap, fix its flows, repeat.
    private func rates(_ draining: [Int], _ routes: [[Int]], _ weights: [Double], _ flows: [Flow]) -> [Double] {
        var rate = [Double](repeating: 0, count: flows.count)
        var open = Set(draining)
        while !open.isEmpty {
            var level = Double.infinity
            var full: Set<Int> = []
            for link in 0..<network.linkCount {
                var rest = network.properties(ofLink: link).bandwidth
                var weight = 0.0
                var members: [Int] = []
                for flow in draining {
                    let crossings = Double(routes[flow].filter { $0 == link }.count)
                    if open.contains(flow), crossings > 0 {
                        weight += crossings * weights[flow]
                        members.append(flow)
                    } else {
                        rest -= crossings * rate[flow]
                    }
                }
                guard !members.isEmpty else { continue }
                let at = rest / weight
                if at < level * (1 - 1e-12) {
                    level = at
                    full = Set(members)
                } else if at <= level * (1 + 1e-12) {
                    full.formUnion(members)
                }
            }
            for flow in open where flows[flow].cap / weights[flow] < level * (1 - 1e-12) {
                level = flows[flow].cap / weights[flow]
                full = [flow]
            }
            for flow in full {
                rate[flow] = weights[flow] * level
                open.remove(flow)
            }
        }
        return rate
    }
}
