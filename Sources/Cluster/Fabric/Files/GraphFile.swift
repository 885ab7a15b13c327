import Yams

extension FabricFile {
    /// `switches: N, links: [{between: [h0, s3], bandwidth, latency, duplex?}]`, hosts h0..., switches s0...; for `routing: table`
    /// `routes: [{source, destination, links: [index, ...]}]`.
    static func graph(_ reader: inout FabricReader, _ form: Form) -> (any NetworkShape)? {
        let switches = reader.integer("switches", default: 0, in: 0...1_000_000)
        let list = reader.node("links")?.sequence
        let routes = reader.node("routes")?.sequence
        let usesTable = reader.node("routing")?.string == "table"
        if usesTable != (routes != nil) { reader.fail(usesTable ? "routing" : "routes", "routing: table and routes belong together") }
        guard let hosts = hosts(reader, form) else { return nil }
        guard let list, !list.isEmpty else {
            reader.fail("links", "a list of links is needed, for instance [{between: [h0, s0], bandwidth: 100 Gb/s, latency: 1 us}]")
            return nil
        }
        var cables: [GraphShape.Cable] = []
        for (index, node) in list.enumerated() {
            let path = "\(reader.full("links"))[\(index)]"
            guard let mapping = node.mapping else {
                reader.errors.add(path, "must be a mapping with between, bandwidth and latency", node)
                continue
            }
            if let cable = cable(FabricReader(mapping, path: path, errors: reader.errors), hosts, switches, form.duplex) {
                cables.append(cable)
            }
        }
        guard cables.count == list.count else { return nil }
        let table = (routes ?? []).enumerated().compactMap { index, node in
            route(node, path: "\(reader.full("routes"))[\(index)]", hosts, reader.errors)
        }
        guard table.count == routes?.count ?? 0 else { return nil }
        do { return try GraphShape(hosts: hosts, switches: switches, cables: cables, routes: table) } catch {
            reader.fail(error.key.hasPrefix("topology.routes") ? "routes" : "links", "\(error)")
            return nil
        }
    }

    private static func cable(_ entry: FabricReader, _ hosts: Int, _ switches: Int, _ usual: Duplex) -> GraphShape.Cable? {
        var reader = entry
        let ends = reader.node("between")?.sequence?.compactMap { $0.string.flatMap { number(of: $0, hosts, switches) } } ?? []
        let ok = ends.count == 2 && ends[0] != ends[1]
        if !ok {
            reader.fail("between", "needs two different nodes: h0 to h\(hosts - 1) for hosts, s0 to s\(max(0, switches - 1)) for switches")
        }
        let properties = reader.linkProperties()
        let duplex = Duplex(rawValue: reader.name("duplex", default: usual.rawValue, among: Duplex.allCases.map(\.rawValue))) ?? .full
        reader.close()
        guard ok, let properties else { return nil }
        return GraphShape.Cable(a: ends[0], b: ends[1], properties: properties, duplex: duplex)
    }

    /// h<i> is host i, s<i> is switch i.
    private static func number(of name: String, _ hosts: Int, _ switches: Int) -> Int? {
        guard let first = name.first, let index = Int(name.dropFirst()), index >= 0 else { return nil }
        if first == "h", index < hosts { return index }
        return first == "s" && index < switches ? hosts + index : nil
    }

    private static func route(
        _ node: Node, path: String, _ hosts: Int, _ errors: FabricReader.ErrorList
    ) -> (source: Int, destination: Int, cables: [Int])? {
        guard let mapping = node.mapping else {
            errors.add(path, "must be a mapping with source, destination and links", node)
            return nil
        }
        var reader = FabricReader(mapping, path: path, errors: errors)
        let source = reader.integer("source", in: 0...hosts - 1)
        let destination = reader.integer("destination", in: 0...hosts - 1)
        let links = reader.integers("links", in: 0...1 << 30)
        reader.close()
        return (source, destination, links)
    }
}
