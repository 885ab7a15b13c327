import Quantities

/// Reads the data files into values.
extension Catalogue {
    static func parse() throws(CatalogueError) -> Contents {
        var contents = Contents()
        contents.accelerators = try accelerators(SourcedYAML(file: "accelerators.yaml", bytes: PackageResources.accelerators_yaml))
        contents.links = try links(SourcedYAML(file: "links.yaml", bytes: PackageResources.links_yaml))
        contents.nodes = try nodes(SourcedYAML(file: "nodes.yaml", bytes: PackageResources.nodes_yaml), contents)
        contents.clusters = try clusters(SourcedYAML(file: "clusters.yaml", bytes: PackageResources.clusters_yaml), contents)
        return contents
    }

    static func accelerators(_ yaml: SourcedYAML) throws(CatalogueError) -> [Accelerator] {
        var result: [Accelerator] = []
        for var entry in try yaml.entries("accelerators") {
            let name = try entry.text("generation")
            guard let generation = Generation(rawValue: name) else {
                throw entry.malformed("generation", "unknown; known: \(Generation.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            var peaks: [Precision: Double] = [:]
            for key in try entry.keys(of: "peaks") {
                guard let precision = Precision(rawValue: key) else { throw entry.malformed("peaks", "unknown format \"\(key)\"") }
                let rate: ComputeRate = try entry.quantity(key, in: "peaks")
                peaks[precision] = rate.flopsPerSecond
            }
            let achievable: ComputeRate? = entry.has("achievable") ? try entry.quantity("achievable") : nil
            var device = Accelerator(
                name: try entry.text("name"), generation: generation, computeUnits: try entry.integer("compute_units"), peaks: peaks,
                memory: try entry.quantity("memory"), memoryBandwidth: try entry.quantity("memory_bandwidth"), l2: try entry.quantity("l2"),
                pcieGeneration: try entry.integer("pcie"), boardPower: try entry.quantity("power"), achievable: achievable?.flopsPerSecond,
                source: "")
            if entry.has("usable") {
                let usable: Bytes = try entry.quantity("usable")
                guard usable.count > 0, usable.count <= device.memory.count else {
                    throw entry.malformed("usable", "must be above zero and at most the memory")
                }
                device.usableShare = Double(usable.count) / Double(device.memory.count)
            }
            if entry.has("chip") { device.chip = try entry.text("chip") }
            if entry.has("peer_to_peer") { device.peerToPeer = try entry.text("peer_to_peer") == "true" }
            device.source = entry.citation
            result.append(device)
        }
        return result
    }

    static func links(_ yaml: SourcedYAML) throws(CatalogueError) -> [Link] {
        var result: [Link] = []
        for var entry in try yaml.entries("links") {
            guard let fabric = Fabric(rawValue: try entry.text("fabric")) else {
                throw entry.malformed("fabric", "unknown; known: \(Fabric.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            var link = Link(
                name: try entry.text("name"), fabric: fabric, bandwidth: try entry.quantity("bandwidth"),
                latency: try entry.quantity("latency"),
                source: "")
            link.source = entry.citation
            result.append(link)
        }
        return result
    }

    static func nodes(_ yaml: SourcedYAML, _ known: Contents) throws(CatalogueError) -> [NodeType] {
        var result: [NodeType] = []
        for var entry in try yaml.entries("nodes") {
            let gpus = try entry.integer("gpus")
            let domain = entry.has("domain") ? try entry.integer("domain") : gpus
            let network = try find(try entry.text("inter_node"), among: known.links, kind: "link", by: \.name)
            let nics = try entry.integer("nics")
            var node = NodeType(
                name: try entry.text("name"),
                accelerator: try find(try entry.text("gpu"), among: known.accelerators, kind: "gpu", by: \.name),
                also: try entry.names("also").map { other throws(CatalogueError) in
                    try find(other, among: known.accelerators, kind: "gpu", by: \.name).name
                },
                gpus: gpus, domain: domain, intraNode: try find(try entry.text("intra_node"), among: known.links, kind: "link", by: \.name),
                interNode: InterNode(link: network, nicsPerNode: nics), power: try entry.quantity("power"), source: "")
            node.source = entry.citation
            result.append(node)
        }
        return result
    }

    static func clusters(_ yaml: SourcedYAML, _ known: Contents) throws(CatalogueError) -> [Preset] {
        var result: [Preset] = []
        for var entry in try yaml.entries("clusters") {
            let node = try find(try entry.text("node"), among: known.nodes, kind: "node", by: \.name)
            var spec = try node.cluster(gpus: entry.integer("gpus"), name: entry.text("name"))
            if entry.has("storage_write") { spec.storageWrite = try entry.quantity("storage_write") }
            if entry.has("storage_read") { spec.storageRead = try entry.quantity("storage_read") }
            result.append(Preset(spec: spec, source: entry.citation))
        }
        return result
    }
}
