import Cluster
import Quantities

/// A link of `cluster`: by its name in the catalogue, or by its figures.
enum LinkSection {
    struct Draft {
        var link: Link?
        var bandwidth: Bandwidth?
        var latency: Duration?
        var fabric: Fabric?
        var isEmpty: Bool { link == nil && bandwidth == nil && latency == nil && fabric == nil }
    }

    static func fields(_ example: String) -> [Field<Draft>] {
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

    static func section(_ example: String) -> Section<Draft> { Section(fields(example)) }

    static func link(_ draft: Draft, usual: Link?, _ item: Item, _ key: String, _ reader: inout Reader) -> Link? {
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
}
