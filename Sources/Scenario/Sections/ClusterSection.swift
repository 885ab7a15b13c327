import Cluster
import Quantities

/// The section `cluster`: a preset, or GPUs and what joins them; fields override the preset.
enum ClusterSection {
    private struct Draft {
        var preset: ClusterSpec?
        var gpu: Accelerator?
        var gpus: Int?
        var nodes: Int?
        var gpusPerNode: Int?
        var domain: Int?
        var intraNode = LinkSection.Draft()
        var interNode = NetworkSection.Draft()
        var storage = Storage()
        var hostPower: Power?
        var placement: PlacementRule?
        var host = HostSection.Draft()
        var pools: [PoolsSection.Draft] = []
    }

    private struct Storage {
        var write: Bandwidth?
        var read: Bandwidth?
    }

    static var entries: [SchemaEntry] { section.entries }

    private static var section: Section<Draft> {
        Section([
            Field(
                "preset", \.preset, .named("a cluster", example: "dgx-h100-superpod") { $0.clusters }, default: "none",
                "a cluster of the catalogue; the other keys override it"),
            Field(
                "gpu", \.gpu, GPUSection.kind, default: "required without preset", "device, by its name in the catalogue or by its numbers"),
            Field(
                "gpus", \.gpus, .integer(1...10_000_000, example: 16384), default: "required without preset",
                "GPUs of the job; or give nodes"),
            Field(
                "nodes", \.nodes, .integer(1...10_000_000, example: 2048), default: "gpus / gpus_per_node",
                "machines of the job; or give gpus"),
            Field(
                "gpus_per_node", \.gpusPerNode, .integer(1...1024, example: 8), default: "the device's usual node, else 8",
                "GPUs of a machine"),
            Field(
                "domain", \.domain, .integer(1...10_000, example: 8), default: "gpus_per_node",
                "GPUs that share one fast switch (72 in an NVL72)"),
            Field(
                "intra_node", \.intraNode, LinkSection.section("nvlink4"),
                "what joins the GPUs of a node; default: as the device is usually built"),
            Field("inter_node", \.interNode, NetworkSection.section, "what joins the nodes; default: as the device is usually built"),
            Field("storage", \.storage, storage, "where checkpoints are written"),
            Field(
                "host", \.host, HostSection.section,
                "memory, PCIe and drives of a node, for offloading; default: as the device's usual node"),
            Field(
                "pools", \.pools, Kind.list(of: PoolsSection.pool, atMost: 16), default: "none",
                "nodes of several kinds of GPU instead of gpu and gpus, in the order in which ranks fill them"),
            Field("host_power", \.hostPower, .quantity, default: "the device's usual node", "power of a node beside its GPUs"),
            Field(
                "placement", \.placement, placement, default: "packed",
                "which GPU runs which rank: in order, round robin over fast domains, as is expected to take the groups the least time, or a list"
            ),
        ])
    }

    private enum PlacementWord: String, CaseIterable {
        case packed, spread, searched
        var rule: PlacementRule {
            switch self {
            case .packed: .packed
            case .spread: .spread
            case .searched: .searched
            }
        }
    }

    /// A word, or the GPU of each rank. Whether a list fits the job is checked with the job.
    private static var placement: Kind<PlacementRule> {
        let word = Kind<PlacementWord>.choice
        let list = Kind<[Int]>.list(of: .integer(0...9_999_999, example: 0), atMost: 100_000)
        return Kind("\(word.name), or \(list.name)", example: word.example) { item, reader in
            if case .sequence = item.tree.content { return list.read(item, &reader).map { .listed($0) } }
            return word.read(item, &reader)?.rule
        }
    }

    private static var storage: Section<Storage> {
        Section([
            Field("write", \.write, .quantity, default: "unlimited", "rate of writing, over the whole job"),
            Field("read", \.read, .quantity, default: "unlimited", "rate of reading, over the whole job"),
        ])
    }

    /// - Returns: nil when a fault was reported.
    /// - Parameter flows: communication runs as flows, to which the shape of the network matters.
    static func read(_ item: Item, flows: Bool = false, _ reader: inout Reader) -> ClusterSpec? {
        guard item.tree.entries != nil else {
            reader.report(
                item, "\(item.text) stands where the keys of the cluster are expected", "write cluster: {gpu: h100-sxm-80gb, gpus: 8}")
            return nil
        }
        let before = reader.errors.count
        var draft = Draft()
        section.read(item, into: &draft, &reader)
        guard reader.errors.count == before else { return nil }
        var pools: [GPUPool] = []
        if !draft.pools.isEmpty {
            let read = PoolsSection.read(draft.pools, gpusPerNode: draft.gpusPerNode, intraNode: draft.intraNode, item, &reader)
            pools = read.pools
            (draft.gpu, draft.gpus, draft.nodes, draft.gpusPerNode) = (draft.pools[0].gpu, read.gpus, nil, read.gpusPerNode)
        }
        guard reader.errors.count == before else { return nil }
        guard let gpu = draft.gpu ?? draft.preset?.accelerator else {
            missing("gpu", "name a device, for instance gpu: h100-sxm-80gb, or a preset", item, &reader)
            if draft.gpus == nil, draft.nodes == nil { missing("gpus", "write gpus: 8", item, &reader) }
            return nil
        }
        let usual = draft.gpu == nil || draft.gpu == draft.preset?.accelerator ? nil : reader.library.nodes.find(gpu.knownAs)
        let preset = usual == nil ? draft.preset : nil
        let node = usual ?? reader.library.nodes.find(gpu.knownAs)
        let perNode = draft.gpusPerNode ?? preset?.gpusPerNode ?? node?.gpusPerNode ?? 8
        guard let gpus = count(draft, perNode, item, &reader) else { return nil }
        let held = min(perNode, gpus)
        let intra = LinkSection.link(draft.intraNode, usual: preset?.intraNode ?? node?.intraNode, item, "intra_node", &reader)
        let inter = gpus > held ? NetworkSection.network(draft.interNode, usual: preset?.interNode ?? node?.interNode, item, &reader) : nil
        guard let intra, reader.errors.count == before else { return nil }
        if !flows { NetworkSection.remarkOnTopology(draft.interNode.topology, &reader) }
        let domain = draft.domain ?? (held == perNode ? min(gpus, preset?.domain ?? node?.domain ?? held) : held)
        var spec = ClusterSpec(
            name: draft.preset?.name ?? "\(gpu.name) x \(gpus)", accelerator: gpu, gpus: gpus, gpusPerNode: held, domain: max(held, domain),
            intraNode: intra, interNode: inter, hostPower: draft.hostPower ?? preset?.hostPower ?? node?.hostPower,
            storageWrite: draft.storage.write ?? draft.preset?.storageWrite, storageRead: draft.storage.read ?? draft.preset?.storageRead)
        spec.host = HostSection.host(draft.host, usual: HostSection.usual(gpu))
        spec.pools = pools
        spec.placement = draft.placement ?? .packed
        return spec
    }

    private static func missing(_ key: String, _ advice: String, _ item: Item, _ reader: inout Reader) {
        reader.report(item.tree.place, "\(item.path).\(key)", "the key is missing, and no preset gives it", advice)
    }

    private static func count(_ draft: Draft, _ perNode: Int, _ item: Item, _ reader: inout Reader) -> Int? {
        if let nodes = draft.nodes {
            let (total, overflow) = nodes.multipliedReportingOverflow(by: perNode)
            guard !overflow, total <= 10_000_000 else {
                reader.report(
                    item.tree["nodes"]?.place ?? item.tree.place, "\(item.path).nodes",
                    "\(nodes) nodes of \(perNode) GPUs are more than 10,000,000 GPUs", "write fewer nodes")
                return nil
            }
            if let gpus = draft.gpus, gpus != total {
                reader.report(
                    item.tree["gpus"]?.place ?? item.tree.place, "\(item.path).gpus", "\(gpus) GPUs are not \(nodes) nodes of \(perNode)",
                    "write gpus: \(total), or leave out one of the two")
                return nil
            }
            return total
        }
        guard let gpus = draft.gpus ?? draft.preset?.gpus else {
            missing("gpus", "write gpus: 8 (or nodes:)", item, &reader)
            return nil
        }
        return gpus
    }
}
