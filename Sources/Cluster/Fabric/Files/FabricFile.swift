import Quantities
import Yams

/// A description of plain hosts and what joins them:
/// ```yaml
/// hosts: 1024
/// fairness: equal          # or rtt
/// topology: {kind: fat_tree, hosts_per_leaf: 16, spines: 4, link: {bandwidth: 100 Gb/s, latency: 1 us}, routing: d-mod-k}
/// ```
/// The keys may also stand below `cluster:`, as in a scenario. A file with `npus_count` is a network of ASTRA-sim (`AstraSimFile`).
public enum FabricFile {
    /// Kinds of topologies that a file may name.
    public static let kinds = [
        "star", "fat_tree", "torus", "dragonfly", "graph", "nvswitch", "rail_optimized", "leaf_spine", "nvl72", "pcie",
    ]
    /// Networks with more links than this are refused.
    static let linkLimit = 20_000_000
    static let textLimit = 64 << 20

    /// - Throws: `FabricFileError` with everything that is wrong, each with line, column and key.
    public static func network(yaml: String, file: String) throws(FabricFileError) -> Network {
        let errors = FabricReader.ErrorList()
        func refused(_ error: FabricError) -> FabricFileError { FabricFileError(file: file, errors: [error]) }
        guard yaml.utf8.count <= textLimit else { throw refused(FabricError(key: "", "the file is larger than \(textLimit >> 20) MiB")) }
        var root: Node?
        do { root = try Yams.compose(yaml: yaml, .basic) } catch let error as YamlError {
            throw refused(syntaxError(error))
        } catch {
            throw refused(FabricError(key: "", "\(error)", line: 1))
        }
        guard let mapping = root?.mapping else {
            throw refused(FabricError(key: "", "a mapping with the keys hosts and topology is needed", line: 1, column: 1))
        }
        var reader = FabricReader(mapping, path: "", errors: errors)
        let isAstraSim = mapping["npus_count"] != nil || mapping["topology"]?.sequence != nil
        if let cluster = mapping["cluster"]?.mapping { reader = FabricReader(cluster, path: "cluster", errors: errors) }
        let network = isAstraSim ? astraSim(&reader) : network(&reader)
        guard let network, errors.errors.isEmpty else {
            throw FabricFileError(
                file: file, errors: errors.errors.sorted { ($0.line ?? 0, $0.column ?? 0) < ($1.line ?? 0, $1.column ?? 0) })
        }
        return network
    }

    private static func syntaxError(_ error: YamlError) -> FabricError {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _), .composer(_, let problem, let mark, _):
            FabricError(
                key: "", problem.hasPrefix("Maximum nesting level") ? "the brackets are nested too deep; no network needs that" : problem,
                line: mark.line, column: mark.column)
        case .duplicatedKeysInMapping(let keys, let context):
            FabricError(
                key: keys.first ?? "", "the key stands twice in one section; keep one of the two", line: context.mark.line,
                column: context.mark.column)
        default: FabricError(key: "", "\(error)", line: 1)
        }
    }

    private static func network(_ reader: inout FabricReader) -> Network? {
        let hosts: Int? = reader.has("hosts") ? reader.integer("hosts") : nil
        _ = reader.node("hosts")
        let generation = Generation(
            rawValue: reader.name("gpu_generation", default: Generation.hopper.rawValue, among: Generation.allCases.map(\.rawValue)))
        let models = LinkModels(&reader)
        let faults = reader.node("faults")
        let fairness = Fairness(rawValue: reader.name("fairness", default: "equal", among: Fairness.allCases.map(\.rawValue))) ?? .equal
        guard var topology = reader.section("topology") else {
            reader.close()
            return nil
        }
        reader.close()
        let kind = topology.name("kind", default: nil, among: kinds)
        let form = Form(hosts: hosts, duplex: duplex(&topology), routing: routing(&topology, kind: kind))
        let shape: (any NetworkShape)? =
            switch kind {
            case "star", "nvswitch": star(&topology, form, hub: kind == "star" ? "switch" : "NVSwitch")
            case "fat_tree": fatTree(&topology, form)
            case "torus": torus(&topology, form)
            case "dragonfly": dragonfly(&topology, form)
            case "rail_optimized": rails(&topology, form, perNode: 8)
            case "nvl72": rails(&topology, form, perNode: 72)
            case "leaf_spine": leafSpine(&topology, form)
            case "pcie": pcie(&topology, form)
            default: graph(&topology, form)
            }
        topology.close()
        guard let shape else { return nil }
        if fairness == .rtt, (0..<min(shape.linkCount, 1000)).allSatisfy({ shape.properties(of: $0).latency == 0 }) {
            reader.fail("fairness", "rtt weighs flows by one over their latency, and the links have none; give them one or choose equal")
        }
        var network = Network(shape: shape, routing: form.routing, fairness: fairness)
        network.generation = generation ?? .hopper
        network.efficiency = models.efficiency
        network.congestion = models.congestion
        if let faults { network.faults = FaultReader(network: network, errors: reader.errors).faults(faults, path: reader.full("faults")) }
        return network
    }

    struct Form {
        var hosts: Int?
        var duplex: Duplex
        var routing: Routing
    }

    private static func duplex(_ reader: inout FabricReader) -> Duplex {
        Duplex(rawValue: reader.name("duplex", default: "full", among: Duplex.allCases.map(\.rawValue))) ?? .full
    }

    /// The name of a topology's own rule, and `ecmp` and `adaptive` where there is a choice.
    private static func routing(_ reader: inout FabricReader, kind: String) -> Routing {
        let own: [String] =
            switch kind {
            case "fat_tree", "rail_optimized", "nvl72": ["d-mod-k"]
            // Ethernet hashes; nobody routes it by destination.
            case "leaf_spine": ["ecmp", "adaptive", "d-mod-k"]
            case "torus": ["dimension-order"]
            case "dragonfly": ["minimal"]
            case "graph": ["shortest", "table"]
            default: ["shortest"]
            }
        let hasChoice = ["fat_tree", "rail_optimized", "nvl72", "leaf_spine", "graph"].contains(kind)
        let name = reader.name("routing", default: own[0], among: own + (hasChoice && kind != "leaf_spine" ? ["ecmp", "adaptive"] : []))
        let seed = hasChoice ? reader.integer("seed", default: 0, in: 0...Int.max) : 0
        return name == "ecmp" ? .ecmp(seed: UInt64(seed)) : name == "adaptive" ? .adaptive : .fixed
    }

    /// `{bandwidth: 100 Gb/s, latency: 1 us}`; `fallback` where the key may be left out.
    static func link(_ reader: inout FabricReader, _ key: String, default fallback: LinkProperties? = nil) -> LinkProperties {
        let nothing = fallback ?? LinkProperties(bandwidth: 1, latency: 0)
        guard var section = reader.section(key, required: fallback == nil) else { return nothing }
        let link = section.linkProperties()
        section.close()
        return link ?? nothing
    }

    static func hosts(_ reader: FabricReader, _ form: Form) -> Int? {
        if form.hosts == nil { reader.errors.add("hosts", "is missing; write for instance hosts: 64", reader.mapping.keys.first) }
        return form.hosts
    }

    /// The product of sizes; nil and an error when it is out of reach.
    static func product(_ sizes: [Int], _ what: String, _ reader: FabricReader) -> Int? {
        var result = 1
        for size in sizes {
            let (next, wrapped) = result.multipliedReportingOverflow(by: size)
            guard !wrapped, next <= linkLimit else {
                reader.fail("kind", "\(what) are more than \(linkLimit); choose smaller sizes")
                return nil
            }
            result = next
        }
        return result
    }

    private static func star(_ reader: inout FabricReader, _ form: Form, hub: String) -> (any NetworkShape)? {
        let link = link(&reader, "link")
        guard let hosts = hosts(reader, form) else { return nil }
        return StarShape(hosts: hosts, link: link, duplex: form.duplex, hub: hub)
    }

    private static func fatTree(_ reader: inout FabricReader, _ form: Form) -> (any NetworkShape)? {
        let levels = reader.integer("levels", default: 2, in: 2...3)
        let link = link(&reader, "link")
        let uplink = FabricFile.link(&reader, "uplink", default: link)
        let perLeaf = reader.integer("hosts_per_leaf")
        let spines = reader.integer("spines")
        if levels == 2 {
            let perSpine = reader.integer("links_per_spine", default: 1)
            guard let hosts = hosts(reader, form), product([(hosts + perLeaf - 1) / perLeaf, spines, perSpine], "the links", reader) != nil
            else { return nil }
            return LeafSpineShape(
                hosts: hosts, hostsPerLeaf: perLeaf, spines: spines, linksPerSpine: perSpine, link: link, uplink: uplink,
                duplex: form.duplex)
        }
        let perPod = reader.integer("leaves_per_pod")
        let cores = reader.integer("cores_per_spine")
        guard let hosts = hosts(reader, form) else { return nil }
        let leaves = (hosts + perLeaf - 1) / perLeaf
        guard product([leaves, spines], "the links", reader) != nil,
            product([(leaves + perPod - 1) / perPod, spines, cores], "the links", reader) != nil
        else {
            return nil
        }
        return ThreeLevelShape(
            .init(hosts: hosts, hostsPerLeaf: perLeaf, leavesPerPod: perPod, aggregations: spines, coresPerGroup: cores), link: link,
            uplink: uplink,
            duplex: form.duplex)
    }

    private static func torus(_ reader: inout FabricReader, _ form: Form) -> (any NetworkShape)? {
        let dims = reader.integers("dims", in: 1...100_000)
        let link = link(&reader, "link")
        guard !dims.isEmpty, let hosts = product(dims, "the hosts", reader), product(dims + [dims.count], "the links", reader) != nil else {
            return nil
        }
        checkHosts(form.hosts, hosts, "dims", reader)
        return TorusShape(sizes: dims, link: link, duplex: form.duplex)
    }

    private static func checkHosts(_ given: Int?, _ hosts: Int, _ keys: String, _ reader: FabricReader) {
        guard let given, given != hosts else { return }
        reader.fail("kind", "hosts is \(given), but \(keys) make \(hosts); leave hosts out or make them agree")
    }

    private static func dragonfly(_ reader: inout FabricReader, _ form: Form) -> (any NetworkShape)? {
        let shape = DragonflyShape.Form(
            groups: reader.integer("groups"), chassis: reader.integer("chassis", default: 1), routers: reader.integer("routers"),
            hostsPerRouter: reader.integer("hosts_per_router"), globalLinks: reader.integer("global_links", default: 1),
            chassisLinks: reader.integer("chassis_links", default: 1), routerLinks: reader.integer("router_links", default: 1))
        let link = link(&reader, "link")
        guard let hosts = product([shape.groups, shape.chassis, shape.routers, shape.hostsPerRouter], "the hosts", reader),
            product([shape.groups, shape.chassis, shape.routers, shape.routers], "the links", reader) != nil,
            product([shape.groups, shape.routers, shape.chassis, shape.chassis], "the links", reader) != nil,
            product([shape.groups, shape.groups], "the links", reader) != nil
        else { return nil }
        guard shape.groups <= shape.routers else {
            reader.fail(
                "groups",
                "\(shape.groups) groups with \(shape.routers) routers a chassis: each group needs a router for each other, so groups <= routers"
            )
            return nil
        }
        checkHosts(form.hosts, hosts, "groups, chassis, routers and hosts_per_router", reader)
        return DragonflyShape(shape, link: link, duplex: form.duplex)
    }
}
