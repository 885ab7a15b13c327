import Quantities

/// Number formats of a matrix product. `mxfp8` and `nvfp4` carry block scales.
public enum Precision: String, Sendable, Hashable, Codable, CaseIterable {
    case fp32, tf32, fp16, bf16, fp8, mxfp8, nvfp4, int8

    /// Bytes of one stored element, block scales left out.
    public var bytes: Double {
        switch self {
        case .fp32, .tf32: 4
        case .fp16, .bf16: 2
        case .fp8, .mxfp8, .int8: 1
        case .nvfp4: 0.5
        }
    }
    /// Below 16 bits: operands are quantised by kernels of their own, and only the linear layers use it.
    public var isLow: Bool { bytes < 2 }
}

/// The families whose kernels behave alike; calibration falls back from a device to its generation.
public enum Generation: String, Sendable, Hashable, Codable, CaseIterable {
    case pascal, volta, turing, ampere, ada, hopper, blackwell, cdna2, cdna3, cdna4
    /// Devices that are no GPUs; nothing of them was measured here.
    case tpu, gaudi, trainium

    /// The generation whose constants stand for this one's where it has none; nil where it has its own, or where none is near.
    public var kin: Generation? {
        switch self {
        case .turing: .volta
        case .cdna4: .cdna3
        default: nil
        }
    }
}

/// A device as its maker and its users describe it. Every number in the catalogue stands beside its source.
public struct Accelerator: Sendable, Hashable {
    public var name: String
    /// Architecture of the chip.
    public var generation: Generation
    /// The silicon: cards of one chip (A100 and A800) differ by their own figures alone.
    public var chip: String
    /// Whether cards of a machine reach each other's memory over PCIe; where they do not, all of them share one path through the host.
    public var peerToPeer = true
    /// Streaming multiprocessors or compute units.
    public var computeUnits: Int
    /// Dense peaks (no structured sparsity), FLOP/s. A format the device lacks is absent.
    public var peaks: [Precision: Double]
    public var memory: Bytes
    /// Share of `memory` that the driver leaves to a process; the rest is its own, and on some boards the error correction's.
    public var usableShare = 1.0
    /// Bytes of `memory` that a process can have.
    public var usable: Bytes { Bytes(Int64((Double(memory.count) * usableShare).rounded(.down))) }
    /// Bytes a second of device memory, nominal.
    public var memoryBandwidth: Bandwidth
    public var l2: Bytes
    public var pcieGeneration: Int
    /// Watts at full load (TDP, or the cap the machine runs under).
    public var boardPower: Power
    /// Highest matmul rate anyone has measured in bf16, FLOP/s ("maximum achievable matmul FLOPS"), where known.
    public var achievable: Double?
    /// The catalogue's device that this one is said to be like, where a scenario gives a device by its numbers: it has that one's node and constants.
    public var like: String?
    /// The name under which the catalogue and the profiles know it, or its like.
    public var knownAs: String { like ?? name }
    /// Where each number is from.
    public var source: String

    public init(
        name: String, generation: Generation, computeUnits: Int, peaks: [Precision: Double], memory: Bytes, memoryBandwidth: Bandwidth,
        l2: Bytes = .zero, pcieGeneration: Int = 4, boardPower: Power, achievable: Double? = nil, chip: String? = nil, source: String
    ) {
        self.name = name
        self.generation = generation
        self.chip = chip ?? generation.rawValue
        self.computeUnits = computeUnits
        self.peaks = peaks
        self.memory = memory
        self.memoryBandwidth = memoryBandwidth
        self.l2 = l2
        self.pcieGeneration = pcieGeneration
        self.boardPower = boardPower
        self.achievable = achievable
        self.source = source
    }

    /// The dense peak that a computation in `precision` runs against, FLOP/s: the format's own, else that of the next wider one it falls back to.
    public func peak(_ precision: Precision) -> Double {
        let ladder: [Precision] =
            switch precision {
            case .nvfp4: [.nvfp4, .fp8, .bf16, .fp16, .tf32, .fp32]
            case .mxfp8, .fp8, .int8: [.fp8, .bf16, .fp16, .tf32, .fp32]
            case .bf16: [.bf16, .fp16, .tf32, .fp32]
            case .fp16: [.fp16, .bf16, .tf32, .fp32]
            case .tf32: [.tf32, .fp32]
            case .fp32: [.fp32]
            }
        return ladder.lazy.compactMap { peaks[$0] }.first ?? 1e12
    }
}
