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
        var intraNode = LinkDraft()
        var interNode = NetworkDraft()
        var storage = Storage()
        var hostPower: Power?
        var placement: PlacementRule?
        var host = HostDraft()
        var pools: [PoolDraft] = []
    }
    private struct PoolDraft {
        var gpu: Accelerator?
        var nodes: Int?
    }
    private struct HostDraft {
        var memory: Bytes?
        var memoryBandwidth: Bandwidth?
        var pcie: Bandwidth?
        var sharing: Int?
        var nvme: Bytes?
        var nvmeRead: Bandwidth?
        var nvmeWrite: Bandwidth?
        var isEmpty: Bool {
            memory == nil && memoryBandwidth == nil && pcie == nil && sharing == nil && nvme == nil && nvmeRead == nil && nvmeWrite == nil
        }
    }
    private struct LinkDraft {
        var link: Link?
        var bandwidth: Bandwidth?
        var latency: Duration?
        var fabric: Fabric?
        var isEmpty: Bool { link == nil && bandwidth == nil && latency == nil && fabric == nil }
    }
    private struct NetworkDraft {
        var link = LinkDraft()
        var nics: Int?
        var topology = Topology()
    }
    private struct Topology {
        var kind: Kind?
        var rails: Int?
        var levels: Int?
        var radix: Int?
        var oversubscription = 1.0
        var routing: Routing?
        var seed: Int?
        var dims: [Int]?
        var dragonfly = Dragonfly()
        var file: NodeTopology?
        var cable = Cable()
        enum Routing: String, CaseIterable { case dModK = "d-mod-k", ecmp }
        var form: NetworkForm {
            var form = NetworkForm()
            form.rails = rails
            form.levels = levels
            form.radix = radix ?? form.radix
            form.oversubscription = oversubscription
            if routing == .ecmp { form.routing = .ecmp(seed: UInt64(seed ?? 0)) }
            form.between = between
            return form
        }
        /// What joins the nodes where that is no tree; nil also where nothing says how large it is.
        var between: NodeTopology? {
            switch kind {
            case .torus: dims.map { .torus(dims: $0) }
            case .dragonfly: dragonfly.size.map { .dragonfly($0) }
            case .graph: file
            default: nil
            }
        }
        enum Kind: String, CaseIterable { case fatTree = "fat_tree", railOptimized = "rail_optimized", torus, dragonfly, graph }

        private var isTree: Bool { kind == nil || kind == .fatTree || kind == .railOptimized }

        /// Keys that were written although the kind has none of them, and the kind that has.
        var misplaced: [(key: String, kind: Kind)] {
            let written: [(key: String, isWritten: Bool, kind: Kind)] =
                [
                    ("dims", dims != nil, .torus), ("file", file != nil, .graph),
                    ("link", !cable.isEmpty && (isTree || kind == .graph), .torus),
                ]
                + dragonfly.written.map { ($0, true, .dragonfly) }
            return written.filter { $0.isWritten && $0.kind != kind }.map { ($0.key, $0.kind) }
        }

        /// Keys of trees that another kind of network does not know.
        var idle: [String] {
            let written = [
                ("rails", rails != nil), ("levels", levels != nil), ("radix", radix != nil), ("oversubscription", oversubscription != 1),
                ("routing", routing != nil), ("seed", seed != nil),
            ]
            return isTree ? [] : written.filter(\.1).map(\.0)
        }
    }
    private struct Dragonfly {
        var groups: Int?
        var chassis: Int?
        var routers: Int?
        var hostsPerRouter: Int?
        var globalLinks: Int?
        var chassisLinks: Int?
        var routerLinks: Int?

        var written: [String] {
            [
                ("groups", groups), ("chassis", chassis), ("routers", routers), ("hosts_per_router", hostsPerRouter),
                ("global_links", globalLinks), ("chassis_links", chassisLinks), ("router_links", routerLinks),
            ].filter { $0.1 != nil }.map(\.0)
        }
        var size: DragonflySize? {
            guard let groups, let routers, let hostsPerRouter else { return nil }
            var size = DragonflySize(groups: groups, routers: routers, hostsPerRouter: hostsPerRouter)
            size.chassis = chassis ?? 1
            size.globalLinks = globalLinks ?? 1
            size.chassisLinks = chassisLinks ?? 1
            size.routerLinks = routerLinks ?? 1
            return size
        }
    }
    private struct Cable {
        var bandwidth: Bandwidth?
        var latency: Duration?
        var isEmpty: Bool { bandwidth == nil && latency == nil }
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
                "gpu", \.gpu, .named("a GPU", example: "h100-sxm-80gb") { $0.accelerators }, default: "required without preset",
                "device, by its name in the catalogue"),
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
                "domain", \.domain, .integer(1...10_000, example: 8), default: "gpus_per_node; of a rack's device the rack",
                "GPUs that share one fast switch (72 in an NVL72), or below gpus_per_node those under one bridge"),
            Field(
                "intra_node", \.intraNode, linkSection("nvlink4"), "what joins the GPUs of a node; default: as the device is usually built"),
            Field("inter_node", \.interNode, networkSection, "what joins the nodes; default: as the device is usually built"),
            Field("storage", \.storage, storage, "where checkpoints are written"),
            Field("host", \.host, host, "memory, PCIe and drives of a node, for offloading; default: as the device's usual node"),
            Field(
                "pools", \.pools, Kind.list(of: pool, atMost: 16), default: "none",
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

    private static var host: Section<HostDraft> {
        Section([
            Field("memory", \.memory, .quantity, default: "the usual node's", "of the host"),
            Field(
                "memory_bandwidth", \.memoryBandwidth, .quantity, default: "the usual node's", "of the host's memory, nominal, all sockets"),
            Field("pcie", \.pcie, .quantity, default: "the usual node's", "one direction of the link between a PCIe switch and its CPU"),
            Field("gpus_per_link", \.sharing, .integer(1...64), default: "the usual node's", "GPUs that share such a link"),
            Field("nvme", \.nvme, .quantity, default: "the usual node's", "size of a node's data drives together"),
            Field("nvme_read", \.nvmeRead, .quantity, default: "the usual node's", "rate of reading from them"),
            Field("nvme_write", \.nvmeWrite, .quantity, default: "the usual node's", "rate of writing to them"),
        ])
    }

    private static var pool: Kind<PoolDraft> {
        let section = Section<PoolDraft>([
            Field(
                "gpu", \.gpu, .named("a GPU", example: "h100-sxm-80gb") { $0.accelerators }, default: "required", "device of these nodes"),
            Field("nodes", \.nodes, .integer(1...10_000_000, example: 2), default: "required", "machines of it"),
        ])
        return Kind("{gpu:, nodes:}", example: "{gpu: h100-sxm-80gb, nodes: 1}", children: section.entries) { item, reader in
            let before = reader.errors.count
            var draft = PoolDraft()
            section.read(item, into: &draft, &reader)
            guard reader.errors.count == before else { return nil }
            for (key, missing, advice) in [("gpu", draft.gpu == nil, "name a device"), ("nodes", draft.nodes == nil, "write nodes: 1")]
            where missing {
                reader.report(item.tree.place, "\(item.path).\(key)", "the key is missing", advice)
            }
            return reader.errors.count == before ? draft : nil
        }
    }

    /// What stands behind the GPUs of a node: as written, else as in the device's usual node; nil where that leaves something open.
    private static func host(_ draft: HostDraft, usual: HostSpec?) -> HostSpec? {
        guard !draft.isEmpty else { return usual }
        guard let memory = draft.memory ?? usual?.memory, let rate = draft.memoryBandwidth ?? usual?.memoryBandwidth,
            let pcie = draft.pcie ?? usual?.uplink
        else { return nil }
        // Without a word on drives there are none: a byte at a byte a second.
        let none = (try? Bandwidth(baseValue: 8)) ?? pcie
        let drives = (
            size: draft.nvme ?? usual?.nvme ?? Bytes(0), read: draft.nvmeRead ?? usual?.nvmeRead ?? none,
            write: draft.nvmeWrite ?? usual?.nvmeWrite ?? none
        )
        return HostSpec(
            memory: memory, memoryBandwidth: rate, uplink: pcie, sharing: draft.sharing ?? usual?.sharing ?? 1, drives: drives,
            source: "scenario")
    }

    /// Pools of several devices make up the cluster: the first gives what the others leave open.
    private static func pooled(_ pools: [PoolDraft], _ draft: inout Draft, _ item: Item, _ reader: inout Reader) -> [GPUPool] {
        guard !pools.isEmpty else { return [] }
        for key in ["gpu", "gpus", "nodes", "preset"] where item.tree[key] != nil {
            reader.report(
                item.tree[key]?.place ?? item.tree.place, "\(item.path).\(key)", "pools say which GPUs there are, and how many",
                "remove \(key) or pools")
        }
        let perNode = draft.gpusPerNode ?? pools[0].gpu.flatMap { reader.library.nodes.find($0.name)?.gpusPerNode } ?? 8
        var result: [GPUPool] = []
        var total = 0
        for (index, pool) in pools.enumerated() {
            guard let gpu = pool.gpu, let nodes = pool.nodes else { continue }
            let usual = reader.library.nodes.find(gpu.name)
            if let own = usual?.gpusPerNode, own != perNode, draft.gpusPerNode == nil {
                reader.report(
                    item.tree["pools"]?.place ?? item.tree.place, "\(item.path).pools[\(index)]",
                    "nodes of \(gpu.name) have \(own) GPUs, those of the first pool \(perNode)",
                    "write gpus_per_node: \(perNode), or pools of like nodes")
            }
            let intra = draft.intraNode.isEmpty ? usual?.intraNode : nil
            guard let link = link(draft.intraNode, usual: intra, item, "intra_node", &reader) else { continue }
            let (gpus, overflow) = nodes.multipliedReportingOverflow(by: perNode)
            guard !overflow, gpus <= 10_000_000 else {
                reader.report(
                    item.tree["pools"]?.place ?? item.tree.place, "\(item.path).pools[\(index)].nodes",
                    "\(nodes) nodes of \(perNode) GPUs are more than 10,000,000 GPUs", "write fewer nodes")
                continue
            }
            total += gpus
            result.append(GPUPool(accelerator: gpu, gpus: gpus, intraNode: link, host: usualHost(gpu)))
        }
        draft.gpu = pools[0].gpu
        draft.gpusPerNode = perNode
        draft.gpus = total
        draft.nodes = nil
        return result
    }

    private static func usualHost(_ gpu: Accelerator) -> HostSpec? { (try? Catalogue.usualHost(for: gpu.name)) ?? nil }

    private static func linkFields(_ example: String) -> [Field<LinkDraft>] {
        [
            Field(
                "link", \.link, .named("a link", example: example) { $0.links }, default: "usual for the device",
                "name in the catalogue; the other keys override it"),
            Field(
                "bandwidth", \.bandwidth, .quantity, default: "the link's",
                "per direction, of one GPU in a node or of one port between nodes"),
            Field("latency", \.latency, .quantity, default: "the link's", "of a small message"),
            Field("fabric", \.fabric, .choice, default: "the link's", "technology; it picks measured constants where there are some"),
        ]
    }
    private static func linkSection(_ example: String) -> Section<LinkDraft> { Section(linkFields(example)) }

    private static var networkSection: Section<NetworkDraft> {
        Section(
            linkFields("roce-400g").map { $0.within(\NetworkDraft.link) } + [
                Field(
                    "nics_per_node", \.nics, .integer(1...1024, example: 8), default: "usual for the device, as many a GPU",
                    "network ports of a node"),
                Field("topology", \.topology, topology, "how the switches are joined"),
            ])
    }

    private static var topology: Section<Topology> {
        Section(
            [
                Field("kind", \.kind, .choice, default: "fat_tree", "shape of the network"),
                Field(
                    "rails", \.rails, .integer(1...1024, example: 8), default: "nics_per_node",
                    "parallel planes, one for each port of a node"),
                Field("levels", \.levels, .integer(1...3, example: 3), default: "as many as the nodes need", "tiers of switches"),
                Field("radix", \.radix, .integer(2...10_000, example: 64), default: "64", "ports of a switch"),
                Field(
                    "oversubscription", \.oversubscription, .ratio(1...1000, example: "1.0"), default: "1.0",
                    "capacity towards the nodes over capacity upwards: of the leaves, with three levels of the switches above them"),
                Field("routing", \.routing, .choice, default: "d-mod-k", "how flows pick their way up: by destination, or by a hash"),
                Field("seed", \.seed, .integer(0...1_000_000_000, example: 1), default: "0", "of the hash of routing: ecmp"),
                Field(
                    "dims", \.dims, Kind<[Int]>.list(of: .integer(1...100_000, example: 4), atMost: 16),
                    default: "required to play flows on a torus",
                    "nodes of a torus in each dimension, the first counting fastest; their product is the nodes"),
            ] + dragonfly.map { $0.within(\Topology.dragonfly) } + [
                Field(
                    "file", \.file, clusterFile, default: "required for kind: graph",
                    "path, relative to this file, of a cluster file as of orrery traffic (docs/fabric.md), whose hosts are the nodes"),
                Field("link", \.cable, cable, "a cable between routers of a torus or dragonfly"),
            ])
    }

    private static var dragonfly: [Field<Dragonfly>] {
        let limit = 1...1_000_000
        return [
            Field(
                "groups", \.groups, .integer(limit, example: 4), default: "required to play flows on a dragonfly", "groups, at most routers"
            ),
            Field("chassis", \.chassis, .integer(limit, example: 1), default: "1", "chassis of a group of a dragonfly"),
            Field(
                "routers", \.routers, .integer(limit, example: 4), default: "required with groups", "routers of a chassis of a dragonfly"),
            Field(
                "hosts_per_router", \.hostsPerRouter, .integer(limit, example: 2), default: "required with groups",
                "nodes of a router of a dragonfly"),
            Field("global_links", \.globalLinks, .integer(limit, example: 1), default: "1", "cables between two groups, as one fat link"),
            Field(
                "chassis_links", \.chassisLinks, .integer(limit, example: 1), default: "1", "cables between equal routers of two chassis"),
            Field("router_links", \.routerLinks, .integer(limit, example: 1), default: "1", "cables between two routers of a chassis"),
        ]
    }

    private static var cable: Section<Cable> {
        Section([
            Field("bandwidth", \.bandwidth, .quantity, default: "of all ports of a node together", "per direction"),
            Field("latency", \.latency, .quantity, default: "0 s, as the ports have that of the whole way", "of each cable on the way"),
        ])
    }

    private static var clusterFile: Kind<NodeTopology> {
        Kind("path", example: "network.yaml") { item, reader in
            guard let path = item.scalar("a path", example: "network.yaml", &reader) else { return nil }
            let full = path.hasPrefix("/") ? path : sibling(path, of: item.tree.place.file)
            do throws(ScenarioErrors) {
                return .described(file: full, yaml: try SourceText.read(full, limit: SourceText.scenarioLimit).text)
            } catch {
                let first = error.errors.first
                reader.report(item, "\(full): \(first?.reason ?? "cannot be read")", first?.suggestion ?? "check the path")
                return nil
            }
        }
    }

    /// Keys of another kind of network, and sizes that are given in part only.
    private static func check(_ topology: Topology, _ item: Item, _ reader: inout Reader) {
        let path = "\(item.path).inter_node.topology"
        let tree = item.tree.entry(at: ["inter_node", "topology"])?.value
        for (key, kind) in topology.misplaced {
            reader.report(
                tree?[key]?.place ?? item.tree.place, "\(path).\(key)",
                "the key says nothing of a \(topology.kind?.rawValue ?? "fat_tree")",
                "remove it, or write kind: \(kind.rawValue)")
        }
        if !topology.idle.isEmpty {
            reader.remark("\(path): \(topology.idle.joined(separator: ", ")) say nothing of a \(topology.kind?.rawValue ?? "")")
        }
        let written = topology.dragonfly.written
        if topology.kind == .dragonfly, !written.isEmpty, topology.dragonfly.size == nil {
            for key in ["groups", "routers", "hosts_per_router"] where !written.contains(key) {
                reader.report(tree?.place ?? item.tree.place, "\(path).\(key)", "the key is missing", "write for instance \(key): 4")
            }
        }
        if topology.kind == .graph, topology.file == nil {
            reader.report(
                tree?.place ?? item.tree.place, "\(path).file", "the key is missing",
                "write file: network.yaml, a cluster file whose hosts are the nodes")
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
        let pools = pooled(draft.pools, &draft, item, &reader)
        guard reader.errors.count == before else { return nil }
        guard let gpu = draft.gpu ?? draft.preset?.accelerator else {
            missing("gpu", "name a device, for instance gpu: h100-sxm-80gb, or a preset", item, &reader)
            if draft.gpus == nil, draft.nodes == nil { missing("gpus", "write gpus: 8", item, &reader) }
            return nil
        }
        let usual = draft.gpu == nil || draft.gpu == draft.preset?.accelerator ? nil : reader.library.nodes.find(gpu.name)
        let preset = usual == nil ? draft.preset : nil
        let node = usual ?? reader.library.nodes.find(gpu.name)
        let perNode = draft.gpusPerNode ?? preset?.gpusPerNode ?? node?.gpusPerNode ?? 8
        guard let gpus = count(draft, perNode, item, &reader) else { return nil }
        let held = min(perNode, gpus)
        let intra = link(draft.intraNode, usual: preset?.intraNode ?? node?.intraNode, item, "intra_node", &reader)
        let usualNode = (
            gpus: preset?.gpusPerNode ?? node?.gpusPerNode ?? perNode, domain: preset?.domain ?? node?.domain ?? perNode
        )
        let domain = domain(draft, held: held, perNode: perNode, gpus: gpus, usual: usualNode)
        let usualNetwork = (preset?.interNode ?? node?.interNode).map { $0.ports(forShare: (perNode, usualNode.gpus)) }
        var inter = gpus > held ? network(draft, usual: usualNetwork, item, &reader) : nil
        guard let intra, reader.errors.count == before else { return nil }
        if gpus <= held, domain < held { inter = bridge(gpu, domain: domain, held: held, &reader) }
        var spec = ClusterSpec(
            name: draft.preset?.name ?? "\(gpu.name) x \(gpus)", accelerator: gpu, gpus: gpus, gpusPerNode: held, domain: domain,
            intraNode: intra, interNode: inter, hostPower: draft.hostPower ?? preset?.hostPower ?? node?.hostPower,
            storageWrite: draft.storage.write ?? draft.preset?.storageWrite, storageRead: draft.storage.read ?? draft.preset?.storageRead)
        spec.host = host(draft.host, usual: usualHost(gpu))
        spec.pools = pools
        spec.placement = draft.placement ?? .packed
        if let reason = spec.idleOversubscription {
            reader.remark(
                "cluster.inter_node.topology.oversubscription \(significant(draft.interNode.topology.oversubscription)) cannot matter: \(reason)"
            )
        }
        if !flows { remarkOnTopology(draft.interNode.topology, isIdle: spec.idleOversubscription != nil, &reader) }
        return spec
    }

    /// GPUs behind one fast switch: as written, else a rack's where the device comes in racks, else the node's own.
    private static func domain(_ draft: Draft, held: Int, perNode: Int, gpus: Int, usual: (gpus: Int, domain: Int)) -> Int {
        if let written = draft.domain { return min(written, gpus) }
        guard held == perNode, usual.domain > usual.gpus else { return held }
        return max(held, min(gpus, usual.domain))
    }

    /// What GPUs of one node that share no fast switch (pairs under an NVLink bridge) talk over: PCIe, a port for each.
    private static func bridge(_ gpu: Accelerator, domain: Int, held: Int, _ reader: inout Reader) -> InterNode? {
        let name = "pcie\(min(5, max(3, gpu.pcieGeneration)))"
        guard let link = reader.library.links.find(name) else { return nil }
        reader.remark(
            "cluster.domain \(domain) is below the \(held) GPUs of the node: between the fast domains of the node they talk over \(name)")
        return InterNode(link: link, nicsPerNode: held)
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

    private static func link(_ draft: LinkDraft, usual: Link?, _ item: Item, _ key: String, _ reader: inout Reader) -> Link? {
        if let base = draft.link ?? usual {
            guard draft.bandwidth != nil || draft.latency != nil || draft.fabric != nil else { return base }
            return Link(
                name: draft.bandwidth.map { "\(base.fabric.rawValue) \($0)" } ?? base.name, fabric: draft.fabric ?? base.fabric,
                bandwidth: draft.bandwidth ?? base.bandwidth, latency: draft.latency ?? base.latency, source: "scenario")
        }
        let entry = item.tree[key]
        guard let bandwidth = draft.bandwidth else {
            reader.report(
                entry?.value.place ?? item.tree.place, "\(item.path).\(key)",
                "nothing says which link it is, and the device has no usual one",
                "write \(key): {link: ...} with a name of the catalogue, or {bandwidth: 50 GB/s, latency: 5 us}")
            return nil
        }
        if draft.latency == nil { reader.remark("cluster.\(key).latency is not given: 10 us is assumed") }
        return Link(
            name: "\(bandwidth)", fabric: draft.fabric ?? .unknown, bandwidth: bandwidth,
            latency: draft.latency ?? Duration(nanoseconds: 10_000),
            source: "scenario")
    }

    private static func network(_ draft: Draft, usual: InterNode?, _ item: Item, _ reader: inout Reader) -> InterNode? {
        guard let link = link(draft.interNode.link, usual: usual?.link, item, "inter_node", &reader) else { return nil }
        let nics = draft.interNode.nics ?? usual?.nicsPerNode ?? 1
        if draft.interNode.nics == nil {
            reader.remark(
                "cluster.inter_node.nics_per_node is not given: \(nics) \(nics == 1 ? "port" : "ports") a node, as usual for the device")
        }
        if draft.interNode.link.isEmpty { reader.remark("cluster.inter_node.link is not given: \(link.name), as usual for the device") }
        var network = InterNode(
            link: link, nicsPerNode: nics, topology: draft.interNode.topology.kind?.rawValue ?? usual?.topology ?? "fat_tree")
        network.form = draft.interNode.topology.form
        let cable = draft.interNode.topology.cable
        if !cable.isEmpty {
            network.form.cable = LinkProperties(
                bandwidth: cable.bandwidth?.bytesPerSecond ?? network.nodeBandwidth, latency: cable.latency?.seconds ?? 0)
        }
        check(draft.interNode.topology, item, &reader)
        return network
    }

    /// The closed form of collectives knows a network by its ports and their rate.
    private static func remarkOnTopology(_ topology: Topology, isIdle: Bool, _ reader: inout Reader) {
        if topology.oversubscription > 1, !isIdle {
            reader.remark(
                "cluster.inter_node.topology.oversubscription: the closed form of a collective does not know it; simulate.network: flow does"
            )
        }
        if topology.between != nil {
            reader.remark(
                "cluster.inter_node.topology: the closed form of a collective knows the ports of nodes, not the \(topology.kind?.rawValue ?? "network") between them; simulate.network: flow does"
            )
        }
        guard topology.rails != nil || topology.levels != nil || topology.radix != nil else { return }
        reader.remark(
            "cluster.inter_node.topology: rails, levels and radix describe the network but do not change the closed form of a collective")
    }
}

extension InterNode {
    /// The ports of a node that has so many of the usual node's GPUs, at least one.
    fileprivate func ports(forShare share: (gpus: Int, of: Int)) -> InterNode {
        guard share.gpus < share.of else { return self }
        var own = self
        own.nicsPerNode = max(1, nicsPerNode * share.gpus / max(1, share.of))
        return own
    }
}
