import Quantities
import Yams

/// The optional models of a fabric file, both absent where nothing is said:
/// ```yaml
/// efficiency: {half_size: 64 kB, peak: 95%}       # or {table: [{bytes: 4 kB, share: 10%}, {bytes: 1 MB, share: 90%}]}
/// congestion: {threshold: 4, loss_per_flow: 2%, floor: 50%, recovery: 50 us}
/// ```
struct LinkModels {
    var efficiency: EfficiencyCurve?
    var congestion: CongestionModel?

    init(_ reader: inout FabricReader) {
        if reader.has("efficiency"), var section = reader.section("efficiency") {
            efficiency = section.has("table") ? Self.table(&section) : Self.halfSize(&section)
            section.close()
        } else {
            _ = reader.node("efficiency")
        }
        if reader.has("congestion"), var section = reader.section("congestion") {
            let threshold = section.integer("threshold", in: 1...1_000_000)
            let loss = section.share("loss_per_flow")
            let floor = section.share("floor", default: 0.1, in: 0.001...1)
            let recovery: Duration? = section.has("recovery") ? section.quantity("recovery") : nil
            _ = section.node("recovery")
            section.close()
            congestion = CongestionModel(threshold: threshold, lossPerFlow: loss, floor: floor, recovery: recovery?.seconds ?? 0)
        } else {
            _ = reader.node("congestion")
        }
    }

    private static func halfSize(_ section: inout FabricReader) -> EfficiencyCurve {
        let half: Bytes? = section.quantity("half_size")
        let peak = section.share("peak", default: 1, in: 0.001...1)
        _ = section.node("table")
        return .halfSize(half?.baseValue ?? 0, peak: peak)
    }

    private static func table(_ section: inout FabricReader) -> EfficiencyCurve? {
        guard let node = section.node("table") else { return nil }
        var points: [EfficiencyCurve.Point] = []
        for var row in FabricReader.mappings(node, path: section.full("table"), errors: section.errors) {
            let bytes: Bytes? = row.quantity("bytes")
            let share = row.share("share", in: 0.001...1)
            row.close()
            guard let bytes else { continue }
            if bytes.baseValue <= points.last?.bytes ?? 0 { row.fail("bytes", "sizes must be above zero and ascend") }
            points.append(.init(bytes: bytes.baseValue, share: share))
        }
        if points.isEmpty { section.fail("table", "needs rows, for instance [{bytes: 4 kB, share: 10%}, {bytes: 1 MB, share: 90%}]") }
        return .table(points)
    }
}

/// Links and hosts that are down, slow or flapping:
/// ```yaml
/// faults:
///   - {link: leaf 0 to spine 1, from: 1 ms, until: 5 ms, reroute: true}   # down; flows take another way where there is one
///   - {host: 5, rate: 50%}                                               # a slow endpoint: all links of the host, for ever
///   - {host: 3, down: 1 ms, every: 10 ms, until: 100 ms}                  # a flapping port
/// ```
/// A link is named as `orrery traffic` prints it, or by its number. `rate` is the share of the nominal rate that is left, 0 where nothing is said. Of two
/// faults of one link the later change holds.
struct FaultReader {
    let network: Network
    let errors: FabricReader.ErrorList
    static let limit = 100_000

    func faults(_ node: Node, path: String) -> [LinkFault] {
        var result: [LinkFault] = []
        for var reader in FabricReader.mappings(node, path: path, errors: errors) {
            let links = links(&reader)
            let from = time(&reader, "from") ?? 0
            let until = time(&reader, "until")
            let down = time(&reader, "down")
            let every = time(&reader, "every")
            let rate = reader.share("rate", default: 0)
            let reroutes = reader.flag("reroute")
            reader.close()
            if let until, until <= from { reader.fail("until", "must be later than from") }
            if (down == nil) != (every == nil) {
                reader.fail(down == nil ? "every" : "down", "down and every belong together: down 1 ms of every 10 ms")
            }
            var spans = [(from, until)]
            if let down, let every {
                guard let until else {
                    reader.fail("every", "a port that flaps needs until, the time at which it is well again")
                    continue
                }
                guard down > 0, down < every else {
                    reader.fail("down", "must be above zero and shorter than every")
                    continue
                }
                guard (until - from) / every * Double(links.count) <= Double(Self.limit) else {
                    reader.fail("every", "makes more than \(Self.limit) changes; choose a longer period or an earlier until")
                    continue
                }
                spans = []
                var index = 0.0
                while from + index * every < until {
                    let start = from + index * every
                    spans.append((start, min(until, start + down)))
                    index += 1
                }
            }
            for (start, end) in spans {
                for link in links {
                    result.append(LinkFault(time: start, link: link, factor: rate, reroutes: reroutes))
                    if let end { result.append(LinkFault(time: end, link: link, factor: 1)) }
                }
            }
        }
        return result
    }

    private func time(_ reader: inout FabricReader, _ key: String) -> Double? {
        guard reader.has(key) else {
            _ = reader.node(key)
            return nil
        }
        let duration: Duration? = reader.quantity(key)
        return duration?.seconds
    }

    private func links(_ reader: inout FabricReader) -> [Int] {
        let (link, host) = (reader.node("link"), reader.node("host"))
        guard (link == nil) != (host == nil) else {
            reader.fail(link == nil ? "link" : "host", "a fault is of one link or one host; give link: NAME or host: NUMBER")
            return []
        }
        if host != nil { return network.links(ofHost: reader.integer("host", in: 0...max(0, network.hostCount - 1))) }
        let text = link?.string ?? ""
        if let index = Int(text), (0..<network.linkCount).contains(index) { return [index] }
        if let index = (0..<network.linkCount).first(where: { network.name(ofLink: $0) == text }) { return [index] }
        let known = (0..<min(2000, network.linkCount)).map(network.name(ofLink:))
        let hint = nearest(text, in: known) ?? known.first ?? ""
        reader.fail(
            "link", "\"\(text)\" is no link of this network; names are like \"\(hint)\", numbers go from 0 to \(network.linkCount - 1)")
        return []
    }
}

extension Network {
    /// The links by which traffic leaves and enters a host, both directions, ascending.
    /// - Complexity: O(hosts) routes, at most 4,096.
    public func links(ofHost host: Int) -> [Int] {
        guard (0..<hostCount).contains(host) else { return [] }
        var result = Set<Int>()
        let step = max(1, hostCount / 2048)
        for other in stride(from: 0, to: hostCount, by: step) where other != host {
            guard shape.isReachable(from: host, to: other) else { continue }
            if let first = route(from: host, to: other).first { result.insert(first) }
            if let last = route(from: other, to: host).last { result.insert(last) }
        }
        // Neighbours by number, which a coarse step may pass over.
        for other in [host - 1, host + 1] where (0..<hostCount).contains(other) && shape.isReachable(from: host, to: other) {
            if let first = route(from: host, to: other).first { result.insert(first) }
            if let last = route(from: other, to: host).last { result.insert(last) }
        }
        return result.sorted()
    }
}
