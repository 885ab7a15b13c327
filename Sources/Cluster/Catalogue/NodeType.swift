import Quantities

/// A server as it is sold: its GPUs, what joins them, and the network ports it has.
public struct NodeType: Sendable, Hashable {
    public var name: String
    /// The device that it is sold with.
    public var accelerator: Accelerator
    /// Names of other devices that come in the same node.
    public var also: [String] = []
    public var gpus: Int
    /// GPUs that share one fast switch; the rack's 72 for an NVL72, else `gpus`.
    public var domain: Int
    public var intraNode: Link
    public var interNode: InterNode
    /// Watts of the whole node at full load.
    public var power: Power
    /// Where each number is from.
    public var source: String

    /// Watts beside the GPUs: CPUs, memory, NICs, fans, losses.
    public var hostPower: Power? { try? Power(baseValue: max(0, power.watts - Double(gpus) * accelerator.boardPower.watts)) }

    /// A cluster of `gpus` GPUs in such nodes; one that fits into a fast domain has no network.
    /// - Throws: `CatalogueError.impossible` for a number of GPUs that is not positive.
    public func cluster(gpus total: Int, name: String? = nil) throws(CatalogueError) -> ClusterSpec {
        guard total > 0 else { throw .impossible("a cluster of \(total) GPUs: at least one is needed") }
        return ClusterSpec(
            name: name ?? "\(self.name) x \((total + gpus - 1) / gpus)", accelerator: accelerator, gpus: total,
            gpusPerNode: min(gpus, total),
            domain: domain == gpus ? min(gpus, total) : Self.rackDomain(gpus: total, perNode: gpus, rack: domain), intraNode: intraNode,
            interNode: total > gpus ? interNode : nil, hostPower: hostPower)
    }

    /// GPUs of a job that share one rack's switch: jobs larger than a rack take equal parts of racks (64 of 72 for powers of two), as far as
    /// the number of GPUs divides; else whole racks.
    static func rackDomain(gpus: Int, perNode: Int, rack: Int) -> Int {
        guard gpus > rack, perNode > 0 else { return min(gpus, rack) }
        return stride(from: rack, through: perNode, by: -1).first { gpus % $0 == 0 && $0 % perNode == 0 && $0 * 2 > rack } ?? rack
    }
}
