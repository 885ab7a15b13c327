import Cluster
import Quantities

/// `cluster.host`: what stands behind the GPUs of a node.
enum HostSection {
    struct Draft {
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

    static var section: Section<Draft> {
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

    /// What stands behind the GPUs of a node: as written, else as in the device's usual node; nil where that leaves something open.
    static func host(_ draft: Draft, usual: HostSpec?) -> HostSpec? {
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

    static func usual(_ gpu: Accelerator) -> HostSpec? { (try? Catalogue.usualHost(for: gpu.knownAs)) ?? nil }
}
