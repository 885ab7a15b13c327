import Quantities

extension ClusterSpec {
    /// The cluster of a measured run, from the columns `hardware`, `gpus`, `gpus_per_node` and `inter_node`. The last is "none", "unknown" (the usual
    /// network of that device is taken, with a warning), "nvl72", a link with its ports a node ("ib-hdr-200g-x8"), or "nvl72+" and such a link. A link that the catalogue
    /// does not have is taken at the rate in its name ("efa-400g-x4", "shaped-1g").
    /// - Parameters:
    ///   - intraNode: a link of the catalogue in place of the node's usual one ("pcie4"); nil or empty: that one
    ///   - linkRate: what was measured of one port, in place of the rate that its name says
    /// - Throws: `CatalogueError` for an unknown device or network and for numbers of GPUs that contradict each other.
    public static func measured(
        hardware: String, gpus: Int, gpusPerNode: Int, interNode: String, intraNode: String? = nil, linkRate: Bandwidth? = nil
    ) throws(CatalogueError) -> (spec: ClusterSpec, warnings: [String]) {
        guard gpus > 0, gpusPerNode > 0 else {
            throw .impossible("\(gpus) GPUs, \(gpusPerNode) a node: both must be at least 1")
        }
        let device = try Catalogue.accelerator(named: hardware)
        let usual = try Catalogue.usualNode(for: hardware)
        var warnings: [String] = []
        let perNode = min(gpusPerNode, gpus)
        let parts = interNode.split(separator: "+", omittingEmptySubsequences: false).map(String.init)
        let rack = parts.first == "nvl72"
        let domain = rack ? NodeType.rackDomain(gpus: gpus, perNode: perNode, rack: 72) : perNode
        var network = try network(parts: rack ? Array(parts.dropFirst()) : parts, text: interNode, warnings: &warnings)
        if let linkRate { network?.link.bandwidth = linkRate }
        var inter = network
        if network == nil, gpus > domain {
            let plain = InterNode(link: try Catalogue.link(named: "roce-100g"), nicsPerNode: 4)
            inter = usual?.interNode ?? plain
            if let inter {
                warnings.append(
                    "inter_node \"\(interNode)\" does not say what joins \(gpus) GPUs of \(domain) a domain; "
                        + "\(inter.nicsPerNode) ports of \(inter.link.name) a node are assumed")
            }
        }
        let intra: Link
        if let named = intraNode, let link = Self.joining(named, perNode: perNode) {
            intra = link
        } else if let usual {
            intra = usual.intraNode
        } else {
            intra = try Catalogue.link(named: "pcie\(min(5, max(3, device.pcieGeneration)))")
            if gpus > 1 { warnings.append("what joins the GPUs of a node with \(hardware) is not known; \(intra.name) is assumed") }
        }
        let hostShare = usual.map { Double(perNode) / Double($0.gpus) } ?? 1
        let spec = ClusterSpec(
            name: "\(hardware) x \(gpus)", accelerator: device, gpus: gpus, gpusPerNode: perNode, domain: domain, intraNode: intra,
            interNode: gpus > perNode ? inter : nil, hostPower: try? usual?.hostPower.map { try Power(baseValue: $0.watts * hostShare) })
        return (spec, warnings)
    }

    /// The network that a text such as "ib-hdr-200g-x8" names; nil for "none", "unknown" and nothing.
    private static func network(
        parts: [String], text: String, warnings: inout [String]
    ) throws(CatalogueError) -> InterNode? {
        guard parts.count <= 1 else { throw .impossible("inter_node \"\(text)\" names more than one network") }
        guard let name = parts.first, !["none", "unknown", "", "nvl72"].contains(name) else { return nil }
        var (kind, ports) = (name, 1)
        if let mark = name.range(of: "-x", options: .backwards), let count = Int(name[mark.upperBound...]) {
            guard (1...64).contains(count) else { throw .impossible("inter_node \"\(text)\": a node has 1 to 64 ports") }
            (kind, ports) = (String(name[..<mark.lowerBound]), count)
        } else if let link = plain(named: kind) {
            warnings.append("inter_node \"\(text)\" does not end in the ports of a node; one is taken")
            return InterNode(link: link, nicsPerNode: 1)
        } else {
            throw .impossible("inter_node \"\(text)\" does not end in the ports of a node; write for instance ib-ndr-400g-x8")
        }
        if let link = try? Catalogue.link(named: kind) { return InterNode(link: link, nicsPerNode: ports) }
        guard let link = plain(named: kind) else { return InterNode(link: try Catalogue.link(named: kind), nicsPerNode: ports) }
        warnings.append(
            "inter_node \"\(text)\": \(kind) is not in the catalogue; \(link.bandwidth) a port, \(link.fabric.rawValue) are taken from its name"
        )
        return InterNode(link: link, nicsPerNode: ports)
    }

    /// A link by its name alone: what it is made of, and its rate in Gb/s at the end.
    private static func plain(named name: String) -> Link? {
        guard name.hasSuffix("g"), let dash = name.lastIndex(of: "-"), let rate = Double(name[name.index(after: dash)...].dropLast()),
            rate > 0, rate <= 10_000, let bandwidth = try? Bandwidth(parsing: "\(rate) Gb/s")
        else { return nil }
        let families: [(String, Fabric, String)] = [
            ("ib", .infiniband, "19 us"), ("infiniband", .infiniband, "19 us"), ("roce", .roce, "22 us"), ("efa", .roce, "30 us"),
            ("slingshot", .roce, "22 us"), ("opa", .omnipath, "25 us"),
        ]
        let known = families.first { name.hasPrefix($0.0) }
        guard let latency = try? Quantities.Duration(parsing: known?.2 ?? "60 us") else { return nil }
        return Link(name: name, fabric: known?.1 ?? .ethernet, bandwidth: bandwidth, latency: latency, source: "its name")
    }

    /// What joins the GPUs of a node, by a name of the catalogue; of several joined by + (pairs with a bridge) the one that all of them share.
    private static func joining(_ name: String, perNode: Int) -> Link? {
        let parts = name.split(separator: "+").map(String.init)
        if parts.count > 1, parts.contains("nvlink-bridge"), perNode == 2 { return try? Catalogue.link(named: "nvlink-bridge3") }
        return parts.first.flatMap { try? Catalogue.link(named: $0) }
    }
}
