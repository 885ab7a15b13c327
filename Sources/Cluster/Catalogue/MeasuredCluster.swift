import Quantities

extension ClusterSpec {
    /// The cluster of a measured run, from the columns `hardware`, `gpus`, `gpus_per_node` and `inter_node`. The last is "none", "unknown" (the usual
    /// network of that device is taken, with a warning), "nvl72", a link with its ports a node ("ib-hdr-200g-x8"), or "nvl72+" and such a link.
    /// - Throws: `CatalogueError` for an unknown device or network and for numbers of GPUs that contradict each other.
    public static func measured(
        hardware: String, gpus: Int, gpusPerNode: Int, interNode: String
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
        let network = try network(parts: rack ? Array(parts.dropFirst()) : parts, text: interNode)
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
        if let usual {
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
    private static func network(parts: [String], text: String) throws(CatalogueError) -> InterNode? {
        guard parts.count <= 1 else { throw .impossible("inter_node \"\(text)\" names more than one network") }
        guard let name = parts.first, !["none", "unknown", "", "nvl72"].contains(name) else { return nil }
        guard let mark = name.range(of: "-x", options: .backwards), let ports = Int(name[mark.upperBound...]), (1...64).contains(ports)
        else {
            throw .impossible("inter_node \"\(text)\" does not end in the ports of a node; write for instance ib-ndr-400g-x8")
        }
        return InterNode(link: try Catalogue.link(named: String(name[..<mark.lowerBound])), nicsPerNode: ports)
    }
}
