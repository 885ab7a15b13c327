import Quantities
import Yams

/// Kinds of network whose hosts are GPUs in nodes, and Ethernet fabrics.
extension FabricFile {
    /// `gpus_per_node`, `nodes_per_group: 32`, `spines`, `link` and `nvlink`; a single node needs `nvlink` only.
    static func rails(_ reader: inout FabricReader, _ form: Form, perNode usual: Int) -> (any NetworkShape)? {
        let perNode = reader.integer("gpus_per_node", default: usual)
        let isSingle = usual == 72 && (form.hosts ?? .max) <= perNode
        let perGroup = reader.integer("nodes_per_group", default: 32)
        let spines = reader.integer("spines", default: isSingle ? 1 : nil)
        let nvlink = link(&reader, "nvlink")
        let port = link(&reader, "link", default: isSingle ? nvlink : nil)
        guard let hosts = hosts(reader, form), product([(hosts + perNode - 1) / perNode, perNode], "the ports", reader) != nil,
            product([(hosts + perNode - 1) / perNode / perGroup + 1, perNode, spines], "the links", reader) != nil
        else { return nil }
        if isSingle { return StarShape(hosts: hosts, link: nvlink, duplex: form.duplex, hub: "NVSwitch") }
        return RailShape(
            .init(gpus: hosts, gpusPerNode: perNode, nodesPerGroup: perGroup, spines: spines), link: port, nvlink: nvlink,
            duplex: form.duplex)
    }

    /// Leaves and spines of Ethernet switches: `hosts_per_leaf`, and `spines` or `oversubscription` (hosts' rate over uplinks' rate).
    static func leafSpine(_ reader: inout FabricReader, _ form: Form) -> (any NetworkShape)? {
        let perLeaf = reader.integer("hosts_per_leaf")
        let perSpine = reader.integer("links_per_spine", default: 1)
        let link = link(&reader, "link")
        let uplink = FabricFile.link(&reader, "uplink", default: link)
        let ratio = reader.has("oversubscription") ? reader.number("oversubscription", above: 0) : nil
        if ratio != nil, reader.has("spines") { reader.fail("oversubscription", "spines and oversubscription say the same; give one") }
        let needed = ratio.map { Double(perLeaf) * link.bandwidth / $0 / uplink.bandwidth / Double(perSpine) }
        let spines = ratio == nil ? reader.integer("spines") : Int(min(1e6, max(1, (needed ?? 1).rounded(.up))))
        guard let hosts = hosts(reader, form), product([(hosts + perLeaf - 1) / perLeaf, spines, perSpine], "the links", reader) != nil
        else { return nil }
        return LeafSpineShape(
            hosts: hosts, hostsPerLeaf: perLeaf, spines: spines, linksPerSpine: perSpine, link: link, uplink: uplink, duplex: form.duplex)
    }

    /// `gpus_per_switch`, `switches_per_socket`, `sockets: 2`, `link` (GPU to switch), `uplink` (switch to socket), `socket_link`, and for several servers
    /// `port` (switch to network).
    static func pcie(_ reader: inout FabricReader, _ form: Form) -> (any NetworkShape)? {
        let perSwitch = reader.integer("gpus_per_switch", default: 4, in: 1...64)
        let perSocket = reader.integer("switches_per_socket", default: 1, in: 1...64)
        let sockets = reader.integer("sockets", default: 2, in: 1...16)
        let slot = link(&reader, "link")
        let uplink = link(&reader, "uplink", default: slot)
        let socket = link(&reader, "socket_link", default: sockets == 1 ? slot : nil)
        guard let hosts = hosts(reader, form) else { return nil }
        let shape = PCIeShape.Form(gpus: hosts, perSwitch: perSwitch, switchesPerSocket: perSocket, sockets: sockets)
        let needsPort = hosts > shape.perNode
        if needsPort, !reader.has("port") {
            reader.fail(
                "port", "\(hosts) hosts are more than the \(shape.perNode) of one server; give port: {bandwidth: 100 Gb/s, latency: 5 us}")
        }
        let port = needsPort || reader.has("port") ? link(&reader, "port", default: slot) : nil
        guard product([(hosts + shape.perNode - 1) / shape.perNode, sockets * sockets + shape.switches], "the links", reader) != nil else {
            return nil
        }
        return PCIeShape(shape, links: .init(slot: slot, uplink: uplink, socket: socket, port: port), duplex: form.duplex)
    }

    // MARK: ASTRA-sim

    /// The network file of ASTRA-sim's analytical backend:
    /// ```yaml
    /// topology: [Ring, FullyConnected, Switch]
    /// npus_count: [2, 8, 4]
    /// bandwidth: [200.0, 100.0, 50.0]   # GB/s of a link and direction, 1e9 bytes
    /// latency: [50.0, 500.0, 2000.0]    # ns of a link
    /// ```
    static func astraSim(_ reader: inout FabricReader) -> Network? {
        let names = reader.node("topology")?.sequence ?? []
        if names.isEmpty { reader.fail("topology", "a list of Ring, FullyConnected and Switch is needed, for instance [Ring, Switch]") }
        let counts = reader.integers("npus_count", in: 1...1_000_000)
        let rates = reader.numbers("bandwidth")
        let delays = reader.numbers("latency")
        reader.close()
        for (key, count) in [("npus_count", counts.count), ("bandwidth", rates.count), ("latency", delays.count)]
        where !names.isEmpty && count > 0 && count != names.count {
            reader.fail(key, "has \(count) entries, but topology has \(names.count); each dimension needs one")
        }
        let known = GridShape.Kind.allCases.map(\.rawValue)
        var kinds: [GridShape.Kind] = []
        for (index, node) in names.enumerated() {
            let text = node.string ?? ""
            if let kind = GridShape.Kind(rawValue: text) {
                kinds.append(kind)
            } else {
                let hint = nearest(text, in: known).map { "did you mean \($0)? " } ?? ""
                reader.errors.add(
                    "\(reader.full("topology"))[\(index)]",
                    "\"\(text)\" is not known here; \(hint)choose one of \(known.joined(separator: ", "))", node)
            }
        }
        if let wrong = rates.firstIndex(where: { $0 <= 0 }) {
            reader.fail("bandwidth", "entry \(wrong + 1) is \(rates[wrong]); GB/s above zero are needed")
        }
        guard kinds.count == names.count, !kinds.isEmpty, [counts.count, rates.count, delays.count].allSatisfy({ $0 == kinds.count }),
            rates.allSatisfy({ $0 > 0 }), let hosts = product(counts, "the NPUs", reader)
        else { return nil }
        for (kind, count) in zip(kinds, counts)
        where product([GridShape.cables(kind, size: count, hosts: 1), hosts], "the links", reader) == nil {
            return nil
        }
        return Network(
            shape: GridShape(
                kinds.indices.map {
                    .init(kind: kinds[$0], size: counts[$0], link: LinkProperties(bandwidth: rates[$0] * 1e9, latency: delays[$0] * 1e-9))
                }))
    }
}

extension FabricReader {
    /// A plain number.
    mutating func number(_ key: String, above limit: Double) -> Double {
        let text = node(key)?.string ?? ""
        guard let value = decimalNumber(text), value > limit else {
            fail(key, "\"\(text)\" is not a number above \(significant(limit, digits: 6)); write for instance \(key): 2")
            return limit + 1
        }
        return value
    }

    /// A list of numbers of zero or more; a single number is a list of one.
    mutating func numbers(_ key: String) -> [Double] {
        guard let node = node(key) else {
            fail(key, "is missing; write for instance \(key): [100, 50]")
            return []
        }
        let list = node.sequence.map { Array($0) } ?? [node]
        let values = list.compactMap { $0.string.flatMap(Double.init) }.filter { $0.isFinite && $0 >= 0 }
        if values.count != list.count || values.isEmpty { fail(key, "every entry must be a number of zero or more") }
        return values.count == list.count ? values : []
    }
}
