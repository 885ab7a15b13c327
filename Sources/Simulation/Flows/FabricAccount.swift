import Cluster
import Plan

/// Reads a played step from the links' point of view.
struct FabricAccount {
    let flows: StepFlows
    let played: PlayedFlows
    /// [links classes] bytes by group on one link.
    private let bytes: [[Double]]
    private static let groups = TrafficGroup.allCases.count

    init(flows: StepFlows, played: PlayedFlows) {
        self.flows = flows
        self.played = played
        var bytes = [[Double]](repeating: Array(repeating: 0, count: Self.groups), count: flows.fabric.links.count)
        for (pattern, moved) in played.moved.enumerated() where moved > 0 {
            let group = flows.fabric.keys[pattern].group.rawValue
            for (link, unit) in flows.fabric.loads[pattern] { bytes[Int(link)][group] += moved * unit }
        }
        self.bytes = bytes
    }

    private var seconds: Double { max(1e-9, Double(played.makespan) * 1e-9) }

    func utilization(_ link: Int) -> Double { bytes[link].reduce(0, +) / (flows.fabric.links[link].nominal * seconds) }

    var load: FabricLoad {
        var inside: [String: Double] = [:]
        var network: [String: Double] = [:]
        for (pattern, moved) in played.moved.enumerated() where moved > 0 {
            let name = flows.fabric.keys[pattern].group.name
            inside[name, default: 0] += moved * flows.fabric.raw[pattern].inside
            network[name, default: 0] += moved * flows.fabric.raw[pattern].outside
        }
        return FabricLoad(links: hottest(10), waits: waits(10), inside: inside, network: network, picture: picture)
    }

    /// Classes that differ by less than a thousandth are one row.
    private func hottest(_ count: Int) -> [LinkLoad] {
        let links = flows.fabric.links
        let order = links.indices.filter { bytes[$0].contains { $0 > 0 } }.sorted { (utilization($1), $0) < (utilization($0), $1) }
        var rows: [(link: Int, alike: Int)] = []
        for link in order {
            let same = rows.lastIndex { row in
                links[row.link].tier == links[link].tier && abs(utilization(row.link) - utilization(link)) <= 1e-3 * utilization(row.link)
            }
            if let same {
                rows[same].alike += links[link].count
            } else if rows.count < count {
                rows.append((link, links[link].count - 1))
            } else {
                break
            }
        }
        let series = series(of: rows.map(\.link))
        return rows.enumerated().map { index, row in
            var groups: [String: Double] = [:]
            for group in TrafficGroup.allCases where bytes[row.link][group.rawValue] > 0 {
                groups[group.name] = bytes[row.link][group.rawValue]
            }
            return LinkLoad(
                name: flows.fabric.network.network.name(ofLink: links[row.link].link), alike: row.alike,
                bytes: bytes[row.link].reduce(0, +),
                byGroup: groups, utilization: utilization(row.link), series: series[index])
        }
    }

    private func series(of links: [Int]) -> [[Double]] {
        let bins = FabricLoad.seriesCount
        var unit = [Int: [Double]]()
        for (row, link) in links.enumerated() {
            for pattern in flows.fabric.loads.indices {
                for (other, bytes) in flows.fabric.loads[pattern] where Int(other) == link {
                    unit[pattern, default: Array(repeating: 0, count: links.count)][row] = bytes
                }
            }
        }
        var sums = [[Double]](repeating: Array(repeating: 0, count: bins), count: links.count)
        let width = max(1, Double(played.makespan) / Double(bins))
        for interval in played.intervals {
            guard let units = unit[Int(interval.pattern)] else { continue }
            var from = Double(interval.from)
            while from < Double(interval.to) {
                let bin = min(bins - 1, Int(from / width))
                let to = bin == bins - 1 ? Double(interval.to) : min(Double(interval.to), Double(bin + 1) * width)
                guard to > from else { break }
                for row in links.indices where units[row] > 0 { sums[row][bin] += units[row] * interval.rate * (to - from) * 1e-9 }
                from = to
            }
        }
        for (row, link) in links.enumerated() {
            let capacity = flows.fabric.links[link].nominal * width * 1e-9
            for bin in 0..<bins { sums[row][bin] = min(1, sums[row][bin] / capacity) }
        }
        return sums
    }

    private func waits(_ count: Int) -> [LinkWait] {
        var all = played.waits
        // What a pattern's own flows cost it, at the link that they overload.
        for (task, index) in flows.templateOf.enumerated() where index >= 0 && played.durations[task] > 0 {
            let template = flows.templates[Int(index)]
            guard template.stretch > 1 else { continue }
            let lost = template.seconds * (template.stretch - 1) * 1e9
            let (pattern, link) = template.overloaded
            guard link >= 0 else { continue }
            all[FlowWait(group: flows.fabric.keys[pattern].group, link: link, rivals: 0), default: 0] += lost
        }
        let ordered = all.filter { $0.value > 0 && $0.key.link >= 0 }.sorted {
            ($1.value, $0.key.group.rawValue, $0.key.link, $0.key.rivals) < ($0.value, $1.key.group.rawValue, $1.key.link, $1.key.rivals)
        }
        return ordered.prefix(count).map { wait, nanoseconds in
            LinkWait(
                group: wait.group.name, link: flows.fabric.network.network.name(ofLink: flows.fabric.links[Int(wait.link)].link),
                rivals: TrafficGroup.allCases.filter { wait.rivals & (1 << UInt8($0.rawValue)) != 0 }.map(\.name)
                    + (wait.rivals & FlowWait.fault != 0 ? ["link fault"] : []),
                seconds: nanoseconds * 1e-9 / Double(flows.graph.lanes))
        }
    }

    private var picture: FabricPicture? {
        flows.fabric.network.network.drawing().map { drawing in
            FabricPicture(drawing) { link in
                let number = flows.fabric.classOf[link]
                return number < 0 ? 0 : utilization(Int(number))
            }
        }
    }
}
