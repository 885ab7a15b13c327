import Quantities

/// What stands behind the GPUs of a node: where offloaded state lives, and the links that it moves over.
public struct HostSpec: Sendable, Hashable {
    /// Main memory of the node.
    public var memory: Bytes
    /// Nominal rate of the host's memory, all sockets.
    public var memoryBandwidth: Bandwidth
    /// One direction of the PCIe link between a switch and its CPU.
    public var uplink: Bandwidth
    /// GPUs behind one such link, which share it.
    public var sharing: Int
    /// All data drives of the node together.
    public var nvme: Bytes
    public var nvmeRead: Bandwidth
    public var nvmeWrite: Bandwidth
    /// Where each number is from.
    public var source: String

    public init(
        memory: Bytes, memoryBandwidth: Bandwidth, uplink: Bandwidth, sharing: Int,
        drives: (size: Bytes, read: Bandwidth, write: Bandwidth),
        source: String
    ) {
        self.memory = memory
        self.memoryBandwidth = memoryBandwidth
        self.uplink = uplink
        self.sharing = sharing
        (nvme, nvmeRead, nvmeWrite) = drives
        self.source = source
    }

    /// Bytes a second and direction that one of `gpus` GPUs in a node has while all of them move data.
    public func linkRate(gpus: Int) -> Double { uplink.bytesPerSecond / Double(max(1, min(sharing, gpus))) }
}

extension Catalogue {
    /// The host of the named node type; nil where none is listed.
    /// - Throws: `CatalogueError` when a data file cannot be read.
    public static func host(ofNode name: String) throws(CatalogueError) -> HostSpec? { try hosts.get()[name] }

    /// The host of the usual node of a device; nil where none is listed.
    public static func usualHost(for accelerator: String) throws(CatalogueError) -> HostSpec? {
        guard let node = try usualNode(for: accelerator) else { return nil }
        return try host(ofNode: node.name)
    }

    private static let hosts: Result<[String: HostSpec], CatalogueError> = Result { () throws(CatalogueError) in
        var result: [String: HostSpec] = [:]
        let known = try contents().nodes
        for var entry in try SourcedYAML(file: "hosts.yaml", bytes: PackageResources.hosts_yaml).entries("hosts") {
            var host = HostSpec(
                memory: try entry.quantity("memory"), memoryBandwidth: try entry.quantity("memory_bandwidth"),
                uplink: try entry.quantity("uplink"), sharing: try entry.integer("sharing"),
                drives: (try entry.quantity("nvme"), try entry.quantity("nvme_read"), try entry.quantity("nvme_write")), source: "")
            host.source = entry.citation
            for name in try entry.names("nodes") {
                result[try find(name, among: known, kind: "node", by: \.name).name] = host
            }
        }
        return result
    }
}
