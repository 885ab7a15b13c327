/// Every host on one switch. Also an NVSwitch node, where the hosts are GPUs.
struct StarShape: NetworkShape {
    let hostCount: Int
    let access: CableBlock
    let hub: String

    init(hosts: Int, link: LinkProperties, duplex: Duplex, hub: String = "switch") {
        hostCount = hosts
        access = CableBlock(first: 0, cables: hosts, properties: link, duplex: duplex)
        self.hub = hub
    }

    var linkCount: Int { access.end }
    func properties(of link: Int) -> LinkProperties { access.properties }
    func name(of link: Int) -> String { access.name(link) { ("host \($0)", hub) } }

    func route(from source: Int, to destination: Int, choice: Int, into links: inout Column<Int32>) {
        if source < hostCount { links.append(access.up(source)) }
        if destination < hostCount { links.append(access.down(destination)) }
    }

    var reducerCount: Int { 1 }
    func reducer(above host: Int) -> Int? { hostCount }
    var rootReducer: Int? { hostCount }
}

/// Leaves and spines. Choice = port of the leaf, spine = port mod spines, cable = port div spines; the way down enters by cable (source mod cables).
/// Static routing is destination modulo k (Zahavi 2012, doi:10.1002/cpe.1887): all flows to a host come by one spine.
struct LeafSpineShape: NetworkShape {
    let hostCount: Int
    let hostsPerLeaf: Int
    let spines: Int
    let linksPerSpine: Int
    let access: CableBlock
    let core: CableBlock

    init(hosts: Int, hostsPerLeaf: Int, spines: Int, linksPerSpine: Int, link: LinkProperties, uplink: LinkProperties, duplex: Duplex) {
        hostCount = hosts
        self.hostsPerLeaf = hostsPerLeaf
        self.spines = spines
        self.linksPerSpine = linksPerSpine
        let leaves = (hosts + hostsPerLeaf - 1) / hostsPerLeaf
        access = CableBlock(first: 0, cables: hosts, properties: link, duplex: duplex)
        core = CableBlock(first: access.end, cables: leaves * spines * linksPerSpine, properties: uplink, duplex: duplex)
    }

    var linkCount: Int { core.end }
    func properties(of link: Int) -> LinkProperties { access.contains(link) ? access.properties : core.properties }

    func name(of link: Int) -> String {
        if access.contains(link) { return access.name(link) { ("host \($0)", "leaf \($0 / hostsPerLeaf)") } }
        return core.name(link) { cable in
            let spine = cable / linksPerSpine
            let suffix = linksPerSpine > 1 ? " cable \(cable % linksPerSpine)" : ""
            return ("leaf \(spine / spines)", "spine \(spine % spines)\(suffix)")
        }
    }

    func choices(from source: Int, to destination: Int) -> Int {
        source / hostsPerLeaf == destination / hostsPerLeaf ? 1 : spines * linksPerSpine
    }
    func staticChoice(from source: Int, to destination: Int) -> Int { destination % (spines * linksPerSpine) }

    func route(from source: Int, to destination: Int, choice: Int, into links: inout Column<Int32>) {
        if source >= hostCount || destination >= hostCount { return appendReduction(source, destination, &links) }
        let (a, b) = (source / hostsPerLeaf, destination / hostsPerLeaf)
        links.append(access.up(source))
        if a != b {
            let spine = choice % spines
            links.append(core.up((a * spines + spine) * linksPerSpine + choice / spines))
            links.append(core.down((b * spines + spine) * linksPerSpine + source % linksPerSpine))
        }
        links.append(access.down(destination))
    }

    // Leaves reduce, and spine 0 is the root above them.
    private var leaves: Int { (hostCount + hostsPerLeaf - 1) / hostsPerLeaf }
    var reducerCount: Int { leaves + 1 }
    func reducer(above host: Int) -> Int? { hostCount + host / hostsPerLeaf }
    var rootReducer: Int? { hostCount + leaves }

    func isReachable(from source: Int, to destination: Int) -> Bool {
        let root = hostCount + leaves
        func isNext(_ place: Int, _ other: Int) -> Bool {
            place < hostCount ? other == hostCount + place / hostsPerLeaf : place < root ? other == root : false
        }
        return source < hostCount && destination < hostCount || isNext(source, destination) || isNext(destination, source)
    }

    private func appendReduction(_ source: Int, _ destination: Int, _ links: inout Column<Int32>) {
        if source < hostCount {
            links.append(access.up(source))
        } else if destination < hostCount {
            links.append(access.down(destination))
        } else if source < destination {
            links.append(core.up((source - hostCount) * spines * linksPerSpine))
        } else {
            links.append(core.down((destination - hostCount) * spines * linksPerSpine))
        }
    }
}

/// Three levels: leaves and aggregation switches in pods, core switches above. Aggregation switch a of every pod is joined to its own group of cores.
/// Choice = aggregation switch + aggregations * core in the group. Static routing is destination modulo k: aggregation d mod A, core (d div A) mod K.
struct ThreeLevelShape: NetworkShape {
    let form: Form
    let access: CableBlock
    let pod: CableBlock
    let core: CableBlock

    struct Form {
        var hosts: Int
        var hostsPerLeaf: Int
        var leavesPerPod: Int
        var aggregations: Int
        var coresPerGroup: Int
    }

    init(_ form: Form, link: LinkProperties, uplink: LinkProperties, duplex: Duplex) {
        self.form = form
        let leaves = (form.hosts + form.hostsPerLeaf - 1) / form.hostsPerLeaf
        let pods = (leaves + form.leavesPerPod - 1) / form.leavesPerPod
        access = CableBlock(first: 0, cables: form.hosts, properties: link, duplex: duplex)
        pod = CableBlock(first: access.end, cables: leaves * form.aggregations, properties: uplink, duplex: duplex)
        core = CableBlock(first: pod.end, cables: pods * form.aggregations * form.coresPerGroup, properties: uplink, duplex: duplex)
    }

    var hostCount: Int { form.hosts }
    var linkCount: Int { core.end }
    func properties(of link: Int) -> LinkProperties {
        access.contains(link) ? access.properties : pod.contains(link) ? pod.properties : core.properties
    }

    func name(of link: Int) -> String {
        if access.contains(link) { return access.name(link) { ("host \($0)", "leaf \($0 / form.hostsPerLeaf)") } }
        if pod.contains(link) {
            return pod.name(link) { cable in
                let leaf = cable / form.aggregations
                return ("leaf \(leaf)", "pod \(leaf / form.leavesPerPod) switch \(cable % form.aggregations)")
            }
        }
        return core.name(link) { cable in
            let (aggregation, core) = (cable / form.coresPerGroup, cable % form.coresPerGroup)
            let group = aggregation % form.aggregations
            return ("pod \(aggregation / form.aggregations) switch \(group)", "core \(group * form.coresPerGroup + core)")
        }
    }

    func choices(from source: Int, to destination: Int) -> Int {
        let (a, b) = (source / form.hostsPerLeaf, destination / form.hostsPerLeaf)
        if a == b { return 1 }
        return a / form.leavesPerPod == b / form.leavesPerPod ? form.aggregations : form.aggregations * form.coresPerGroup
    }
    func staticChoice(from source: Int, to destination: Int) -> Int { destination % (form.aggregations * form.coresPerGroup) }

    func route(from source: Int, to destination: Int, choice: Int, into links: inout Column<Int32>) {
        let (a, b) = (source / form.hostsPerLeaf, destination / form.hostsPerLeaf)
        let aggregation = choice % form.aggregations
        links.append(access.up(source))
        if a != b {
            links.append(pod.up(a * form.aggregations + aggregation))
            let (podA, podB) = (a / form.leavesPerPod, b / form.leavesPerPod)
            if podA != podB {
                let core = choice / form.aggregations
                links.append(self.core.up((podA * form.aggregations + aggregation) * form.coresPerGroup + core))
                links.append(self.core.down((podB * form.aggregations + aggregation) * form.coresPerGroup + core))
            }
            links.append(pod.down(b * form.aggregations + aggregation))
        }
        links.append(access.down(destination))
    }
}

/// GPUs as hosts: those of a node share an NVSwitch, and GPU r of every node has its network port on the leaf of rail r; leaves of several node groups meet
/// at spines. A flow to another node first goes over the NVSwitch to the GPU of its own node on the destination's rail (as NCCL's PXN does), so that it
/// never changes rails in the network. Choice = spine.
struct RailShape: NetworkShape {
    let form: Form
    let inside: CableBlock
    let ports: CableBlock
    let core: CableBlock

    struct Form {
        var gpus: Int
        var gpusPerNode: Int
        var nodesPerGroup: Int
        var spines: Int
    }

    init(_ form: Form, link: LinkProperties, nvlink: LinkProperties, duplex: Duplex) {
        self.form = form
        let nodes = (form.gpus + form.gpusPerNode - 1) / form.gpusPerNode
        let groups = (nodes + form.nodesPerGroup - 1) / form.nodesPerGroup
        inside = CableBlock(first: 0, cables: form.gpus, properties: nvlink, duplex: duplex)
        // Every node has all its ports, also when the last node is not full of GPUs.
        ports = CableBlock(first: inside.end, cables: nodes * form.gpusPerNode, properties: link, duplex: duplex)
        core = CableBlock(first: ports.end, cables: groups * form.gpusPerNode * form.spines, properties: link, duplex: duplex)
    }

    var hostCount: Int { form.gpus }
    var linkCount: Int { core.end }
    func properties(of link: Int) -> LinkProperties {
        inside.contains(link) ? inside.properties : ports.contains(link) ? ports.properties : core.properties
    }

    func name(of link: Int) -> String {
        if inside.contains(link) { return inside.name(link) { ("GPU \($0)", "NVSwitch of node \($0 / form.gpusPerNode)") } }
        if ports.contains(link) {
            return ports.name(link) { port in
                let node = port / form.gpusPerNode
                return (
                    "port \(port % form.gpusPerNode) of node \(node)",
                    "leaf \(node / form.nodesPerGroup) of rail \(port % form.gpusPerNode)"
                )
            }
        }
        return core.name(link) { cable in
            let leaf = cable / form.spines
            return (
                "leaf \(leaf / form.gpusPerNode) of rail \(leaf % form.gpusPerNode)",
                "spine \(cable % form.spines) of rail \(leaf % form.gpusPerNode)"
            )
        }
    }

    private func group(of host: Int) -> Int { host / form.gpusPerNode / form.nodesPerGroup }
    func choices(from source: Int, to destination: Int) -> Int { group(of: source) == group(of: destination) ? 1 : form.spines }
    /// Destination modulo k over the ports of a rail, one a node: neighbouring nodes take different spines.
    func staticChoice(from source: Int, to destination: Int) -> Int { destination / form.gpusPerNode % form.spines }

    // The NVSwitches of every node reduce.
    var reducerCount: Int { (hostCount + form.gpusPerNode - 1) / form.gpusPerNode }
    func reducer(above host: Int) -> Int? { hostCount + host / form.gpusPerNode }
    func isReachable(from source: Int, to destination: Int) -> Bool {
        if source >= hostCount { return destination < hostCount && reducer(above: destination) == source }
        return destination < hostCount || reducer(above: source) == destination
    }

    func route(from source: Int, to destination: Int, choice: Int, into links: inout Column<Int32>) {
        if source >= hostCount || destination >= hostCount {
            links.append(source < hostCount ? inside.up(source) : inside.down(destination))
            return
        }
        let (a, b) = (source / form.gpusPerNode, destination / form.gpusPerNode)
        let rail = destination % form.gpusPerNode
        if a == b {
            links.append(inside.up(source))
            links.append(inside.down(destination))
            return
        }
        // The rail's GPU may be missing in a node that is not full; its port is there.
        let relay = a * form.gpusPerNode + rail
        if relay != source {
            links.append(inside.up(source))
            if relay < hostCount { links.append(inside.down(relay)) }
        }
        links.append(ports.up(relay))
        let (groupA, groupB) = (group(of: source), group(of: destination))
        if groupA != groupB {
            links.append(core.up((groupA * form.gpusPerNode + rail) * form.spines + choice))
            links.append(core.down((groupB * form.gpusPerNode + rail) * form.spines + choice))
        }
        links.append(ports.down(destination))
    }
}
