import Quantities
import Yams

/// The devices, links, nodes and clusters that a scenario can name. They are data files of this module, every number beside its source, and are
/// read once, at the first look-up.
public enum Catalogue {
    /// - Throws: `CatalogueError.unknown` with the nearest name.
    public static func accelerator(named name: String) throws(CatalogueError) -> Accelerator {
        try find(name, among: contents().accelerators, kind: "gpu", by: \.name)
    }
    /// - Throws: `CatalogueError.unknown` with the nearest name.
    public static func link(named name: String) throws(CatalogueError) -> Link {
        try find(name, among: contents().links, kind: "link", by: \.name)
    }
    /// - Throws: `CatalogueError.unknown` with the nearest name.
    public static func node(named name: String) throws(CatalogueError) -> NodeType {
        try find(name, among: contents().nodes, kind: "node", by: \.name)
    }
    /// - Throws: `CatalogueError.unknown` with the nearest name.
    public static func clusterPreset(named name: String) throws(CatalogueError) -> ClusterSpec {
        try find(name, among: contents().clusters, kind: "cluster", by: \.spec.name).spec
    }
    /// All devices, in the order of the file. Throws `CatalogueError` when a data file cannot be read, as the next ones do.
    public static func accelerators() throws(CatalogueError) -> [Accelerator] { try contents().accelerators }
    /// All links, in the order of the file.
    public static func links() throws(CatalogueError) -> [Link] { try contents().links }
    /// All kinds of nodes, in the order of the file.
    public static func nodes() throws(CatalogueError) -> [NodeType] { try contents().nodes }
    /// All clusters, in the order of the file.
    public static func clusterPresets() throws(CatalogueError) -> [ClusterSpec] { try contents().clusters.map(\.spec) }

    /// Names of the devices, in the order of the file.
    public static func acceleratorNames() throws(CatalogueError) -> [String] { try contents().accelerators.map(\.name) }
    /// Names of the links, in the order of the file.
    public static func linkNames() throws(CatalogueError) -> [String] { try contents().links.map(\.name) }
    /// Names of the kinds of nodes, in the order of the file.
    public static func nodeNames() throws(CatalogueError) -> [String] { try contents().nodes.map(\.name) }
    /// Names of the clusters, in the order of the file.
    public static func clusterNames() throws(CatalogueError) -> [String] { try contents().clusters.map(\.spec.name) }

    /// The first listed node type that this device comes in: what a cluster gets that names only its GPU.
    public static func usualNode(for accelerator: String) throws(CatalogueError) -> NodeType? {
        try contents().nodes.first { $0.accelerator.name == accelerator || $0.also.contains(accelerator) }
    }

    /// Where the numbers of a cluster preset are from, its node type's numbers left out.
    static func source(ofPreset name: String) throws(CatalogueError) -> String {
        try find(name, among: contents().clusters, kind: "cluster", by: \.spec.name).source
    }

    struct Preset: Sendable {
        var spec: ClusterSpec
        var source: String
    }
    struct Contents: Sendable {
        var accelerators: [Accelerator] = []
        var links: [Link] = []
        var nodes: [NodeType] = []
        var clusters: [Preset] = []
    }

    private static let parsed: Result<Contents, CatalogueError> = Result { () throws(CatalogueError) in try parse() }
    static func contents() throws(CatalogueError) -> Contents { try parsed.get() }

    static func find<T>(_ name: String, among all: [T], kind: String, by key: (T) -> String) throws(CatalogueError) -> T {
        if let match = all.first(where: { key($0) == name }) { return match }
        let known = all.map(key)
        throw .unknown(kind: kind, name: name, suggestion: nearest(name, in: known), known: known)
    }
}
