import Cluster
import Quantities

/// `cluster.inter_node`: ports of a node, and the network between them.
enum NetworkSection {
    struct Draft {
        var link = LinkSection.Draft()
        var nics: Int?
        var topology = Topology()
    }

    struct Topology {
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

    struct Dragonfly {
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

    struct Cable {
        var bandwidth: Bandwidth?
        var latency: Duration?
        var isEmpty: Bool { bandwidth == nil && latency == nil }
    }

    static var section: Section<Draft> {
        Section(
            LinkSection.fields("roce-400g").map { $0.within(\Draft.link) } + [
                Field("nics_per_node", \.nics, .integer(1...1024, example: 8), default: "usual for the device", "network ports of a node"),
                Field("topology", \.topology, topology, "how the switches are joined"),
            ])
    }

    static var topology: Section<Topology> {
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

    static var dragonfly: [Field<Dragonfly>] {
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

    static var cable: Section<Cable> {
        Section([
            Field("bandwidth", \.bandwidth, .quantity, default: "of all ports of a node together", "per direction"),
            Field("latency", \.latency, .quantity, default: "0 s, as the ports have that of the whole way", "of each cable on the way"),
        ])
    }

    static var clusterFile: Kind<NodeTopology> {
        Kind("path", example: "network.yaml") { item, reader in
            guard let full = reader.path(item, example: "network.yaml") else { return nil }
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
    static func check(_ topology: Topology, _ item: Item, _ reader: inout Reader) {
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

    static func network(_ draft: Draft, usual: InterNode?, _ item: Item, _ reader: inout Reader) -> InterNode? {
        guard let link = LinkSection.link(draft.link, usual: usual?.link, item, "inter_node", &reader) else { return nil }
        let nics = draft.nics ?? usual?.nicsPerNode ?? 1
        if draft.nics == nil {
            reader.remark(
                "cluster.inter_node.nics_per_node is not given: \(nics) \(nics == 1 ? "port" : "ports") a node, as usual for the device")
        }
        if draft.link.isEmpty { reader.remark("cluster.inter_node.link is not given: \(link.name), as usual for the device") }
        var network = InterNode(
            link: link, nicsPerNode: nics, topology: draft.topology.kind?.rawValue ?? usual?.topology ?? "fat_tree")
        network.form = draft.topology.form
        let cable = draft.topology.cable
        if !cable.isEmpty {
            network.form.cable = LinkProperties(
                bandwidth: cable.bandwidth?.bytesPerSecond ?? network.nodeBandwidth, latency: cable.latency?.seconds ?? 0)
        }
        check(draft.topology, item, &reader)
        return network
    }

    /// The closed form of collectives knows a network by its ports and their rate.
    static func remarkOnTopology(_ topology: Topology, _ reader: inout Reader) {
        if topology.oversubscription > 1 {
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
