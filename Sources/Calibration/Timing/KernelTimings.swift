import Cluster
import Glibc
import Workload

/// How a duration is known.
public enum EvidenceKind: Int, Sendable, Hashable, CaseIterable {
    /// Timed on this device at this shape.
    case measured
    /// Formula whose constants were fitted to measured kernels of this device, inside the range of the measured shapes.
    case interpolated
    /// Formula alone: outside that range, or constants known only from whole runs or from a related device.
    case formula
}

/// A predicted duration with what it rests on.
public struct Estimate: Sendable, Hashable {
    public var seconds: Double
    /// Relative standard error.
    public var error: Double
    public var evidence: EvidenceKind
    public init(seconds: Double, error: Double, evidence: EvidenceKind) {
        self.seconds = seconds
        self.error = error
        self.evidence = evidence
    }
}

/// Durations of kernels on one device under one software stack. Formulas stand at each function;
/// constants: Resources/constants.yaml and profiles.yaml.
public struct KernelTimings: Sendable {
    public let accelerator: Accelerator
    public let constants: Constants
    public let behaviour: StackBehaviour
    /// Format of the linear layers.
    public let precision: Precision
    /// Measured kernels of this device, which come before the formulas.
    public let measured: MeasuredKernels?

    private let peak16: Double
    /// Share of the peak that 16-bit products reach, or fp32 ones where that is what is computed in.
    private let wideEfficiency: Double
    private let memoryFactor: Double
    private let peakLow: Double
    private let wideBytes: Double
    private let bandwidth: Double
    private let shape: GEMMShape
    private let weightGradientBytes: Double
    private let quantiseFactor: Double

    /// Smoothness and start-up of the GEMM roofline, by generation (kernels/FITS.md section 2: fits of aiconfigurator's tables,
    /// p 1.15-2.2 on A100, 3.2 on H100, 6-8 on Blackwell; t0 11, 3, 2 us).
    private struct GEMMShape {
        var smoothness: Double
        var start: Double
        init(_ generation: Generation) {
            switch generation {
            case .pascal, .volta, .turing, .ampere, .cdna2: (smoothness, start) = (2, 8e-6)
            case .ada: (smoothness, start) = (3, 2.4e-6)
            case .hopper, .cdna3, .cdna4, .tpu, .gaudi, .trainium: (smoothness, start) = (3, 3e-6)
            case .blackwell: (smoothness, start) = (5, 2e-6)
            }
        }
    }

    public init(
        accelerator: Accelerator, constants: Constants, behaviour: StackBehaviour, precision: Precision, measured: MeasuredKernels? = nil
    ) {
        self.measured = measured
        self.accelerator = accelerator
        self.constants = constants
        self.behaviour = behaviour
        self.precision = precision
        let wide: Precision = precision.isLow ? .bf16 : precision
        peak16 = accelerator.peak(wide) * Self.powerShare(accelerator)
        wideBytes = wide.bytes
        wideEfficiency = constants[wide == .fp32 ? .gemmFp32 : .gemm]
        memoryFactor = pow(constants[.uncompiled], behaviour.compilation)
        peakLow = accelerator.peak(precision) * Self.powerShare(accelerator)
        bandwidth = accelerator.memoryBandwidth.bytesPerSecond
        shape = GEMMShape(accelerator.generation)
        // W reads and writes an fp32 main gradient (8 bytes an element) or writes a 16-bit one twice (accumulation).
        weightGradientBytes = behaviour.accumulatesFP32 ? 8 : 4
        quantiseFactor =
            constants[.quantise] * (behaviour.scaling == .rowwise ? constants[.quantiseRowwise] : 1)
            * (precision == .mxfp8 ? constants[.quantiseMx] : 1)
    }

    /// Clock that a power cap leaves under dense products, as a share of the uncapped one. Dynamic power falls faster than linearly with the clock,
    /// so that half the power costs about 30 % of it: share = sqrt(cap / rated). Checks: 500 W H100 of torchtitan .85,
    /// 300 W A100 PCIe .738 against .81 of the 400 W SXM (SimuMax kernels).
    static func powerShare(_ accelerator: Accelerator) -> Double {
        let rated: Double
        switch accelerator.generation {
        case .ampere: rated = 400
        case .hopper: rated = 700
        default: return 1
        }
        return min(1, (accelerator.boardPower.watts / rated).squareRoot())
    }

    /// Seconds of one op on the GPU; communication ops take none here.
    public func seconds(_ op: Op) -> Double { measuredEstimate(op)?.seconds ?? formulaSeconds(op) }

    private func formulaSeconds(_ op: Op) -> Double {
        switch op.work {
        case .gemm(let gemm): self.seconds(gemm, pass: op.pass, splitsK: op.part == .convolution)
        case .attention(let core): self.seconds(core, pass: op.pass)
        case .memory(let pass): self.seconds(pass, part: op.part) + Double(op.kernels) * constants[.kernelStart] * 1e-6
        case .communication: 0
        }
    }

    /// Whether the constants behind an op come from measured kernels of this generation, within the range of their shapes (kernels/FITS.md:
    /// products with m >= 512 and n, k >= 1,024 on Ampere, Hopper, Blackwell and Ada; memory-bound and fused attention forward on the same).
    public func isFitted(_ op: Op) -> Bool {
        switch accelerator.generation {
        case .pascal, .volta, .turing, .cdna2, .cdna3, .cdna4, .tpu, .gaudi, .trainium: return false
        case .ampere, .ada, .hopper, .blackwell: break
        }
        switch op.work {
        case .gemm(let gemm): return !gemm.grouped && gemm.m >= 512 && gemm.n >= 1024 && gemm.k >= 1024 && precision != .nvfp4
        case .attention: return behaviour.flashAttention && op.pass == .forward
        case .memory: return accelerator.generation == .ampere
        case .communication: return false
        }
    }

    /// Duration of one op with what it rests on. Relative standard errors: left-out fits of measured kernels (kernels/FITS.md sections 2 to 4: products
    /// 4 % median and 10 % at the 90th percentile, hence 6 %; fused attention 3.5 and 9 %, hence 5 %; memory-bound 4 to 24 %, hence 10 %); three times
    /// that where constants come from whole runs or a related device.
    public func estimate(_ op: Op) -> Estimate {
        if let measured = measuredEstimate(op) { return measured }
        let fitted = isFitted(op)
        let error: Double =
            switch op.work {
            case .gemm: 0.06
            case .attention: 0.05
            case .memory: 0.10
            case .communication: 0
            }
        return Estimate(seconds: formulaSeconds(op), error: fitted ? error : 3 * error, evidence: fitted ? .interpolated : .formula)
    }

    /// What the measured kernels say of an op; nil where they do not know its kernel.
    private func measuredEstimate(_ op: Op) -> Estimate? {
        guard let measured else { return nil }
        let wide: Precision = precision.isLow ? .bf16 : precision
        switch op.work {
        case .gemm(let gemm):
            guard gemm.m > 0, gemm.n > 0, gemm.k > 0, op.part != .convolution else { return nil }
            let isLow = precision.isLow && gemm.lowPrecision
            guard var found = measured.product(gemm, pass: op.pass, dtype: isLow ? precision : wide) else { return nil }
            if isLow, !found.isQuantised { found.estimate.seconds += quantiseSeconds(gemm, pass: op.pass) }
            return found.estimate
        case .attention(let core):
            guard behaviour.flashAttention, op.pass != .weightGradient else { return nil }
            if let own = measured.attention(core, pass: op.pass, dtype: wide) { return own }
            // Backward from the measured forward: 2.5 times the FLOPs at a share of its efficiency.
            guard op.pass == .inputGradient, var forward = measured.attention(core, pass: .forward, dtype: wide) else { return nil }
            forward.seconds *= 2.5 / constants[.attentionBackward]
            return Estimate(seconds: forward.seconds, error: max(0.1, forward.error), evidence: .formula)
        case .memory(let pass):
            let bytes = pass.bytes * fusion(op.part)
            guard bytes > 0 else { return nil }
            let kernels: [Kernel] =
                switch op.part {
                case .loss: [.crossEntropy, .softmax]
                case .embedding: [.embedding]
                default: pass.rowLength > 0 ? [.rmsnorm, .layernorm] : [.elementwise, .copy]
                }
            return measured.memory(kernels, bytes: bytes, row: pass.rowLength, pass: op.pass, dtype: wide)
        case .communication: return nil
        }
    }

    /// Kernel launches of one op: grouped products launch their quantise kernels an expert each in low precision; unfused attention is a chain.
    public func kernels(_ op: Op) -> Int {
        switch op.work {
        case .gemm(let gemm) where gemm.grouped: gemm.count * (precision.isLow ? 3 : 1) + 4
        case .attention where !behaviour.flashAttention: op.pass == .forward ? 6 : 9
        default: op.kernels
        }
    }

    /// t = t0 + (tc^p + tm^p)^(1/p); tc = 2 M N K q (1 + k0/K) / (e peak), tm = bytes / (0.75 bandwidth); q: tile and wave quantisation.
    /// Low precision adds the kernels that quantise the operands, 4 bytes an element of activation.
    /// Convolution kernels split a long K over idle units (cuDNN's split-K), so that few tiles fill the machine as long as each part keeps 512 of K.
    func seconds(_ gemm: GEMM, pass: Pass, splitsK: Bool = false) -> Double {
        let isLow = precision.isLow && gemm.lowPrecision
        let (m, n, k, count) = (Double(gemm.m), Double(gemm.n), Double(gemm.k), Double(gemm.count))
        guard m > 0, n > 0, k > 0 else { return 0 }
        let efficiency: Double =
            gemm.grouped
            ? constants[.grouped]
            : isLow
                ? (precision == .nvfp4 ? constants[.gemmFp4] : constants[.gemmLow])
                : wideEfficiency * (splitsK ? constants[.convolution] : 1)
        // A grouped kernel fills the machine with the tiles of all its products.
        let units = Double(accelerator.computeUnits)
        let rows = gemm.grouped ? m * count : m
        var tiles = Self.waves(m: rows, n: n, units: units)
        let chosen = constants[.gemmTiles]
        if chosen > 0 { tiles += chosen * (Self.bestWaves(m: rows, n: n, units: units) - tiles) }
        if splitsK {
            let idle = units / ((m / 128).rounded(.up) * (n / 256).rounded(.up))
            tiles /= max(1, min(idle, k / 512))
        }
        let quantisation = 1 + (tiles - 1) * constants[.gemmWave]
        let repeats = gemm.grouped ? 1 : count
        let work = 2 * m * n * k * (gemm.grouped ? count : 1)
        let compute = work * quantisation * (1 + constants[.gemmKHalf] / k) / (efficiency * (isLow ? peakLow : peak16))
        let element = isLow ? precision.bytes : wideBytes
        let outputs = m * n * (gemm.grouped ? count : 1)
        let operands = (m * k + n * k) * (gemm.grouped ? count : 1)
        let bytes = element * operands + (pass == .weightGradient ? weightGradientBytes : wideBytes) * outputs
        let memory = bytes / (0.75 * bandwidth)
        let p = shape.smoothness
        let time = shape.start + pow(pow(compute, p) + pow(memory, p), 1 / p)
        return time * repeats + (isLow ? quantiseSeconds(gemm, pass: pass) : 0)
    }

    /// The kernels that quantise the operands of a product: 4 bytes an element of activation. Fused grouped products quantise as they go.
    private func quantiseSeconds(_ gemm: GEMM, pass: Pass) -> Double {
        if gemm.grouped && behaviour.fusedExperts { return 0 }
        let (m, n, k, count) = (Double(gemm.m), Double(gemm.n), Double(gemm.k), Double(gemm.count))
        let elements = (pass == .weightGradient ? 0.5 * (m * k + n * k) : m * k) * count
        return quantiseFactor * 4 * elements / bandwidth
    }

    /// Tiles that libraries offer beside 128 x 256, with the work that a smaller one adds because it reuses its operands less.
    private static let tiles: [(rows: Double, columns: Double, work: Double)] = [(256, 128, 1), (128, 128, 1.05), (64, 256, 1.08)]

    /// `waves` with the tile that suits the shape best.
    static func bestWaves(m: Double, n: Double, units: Double) -> Double {
        tiles.reduce(waves(m: m, n: n, units: units)) { best, tile in
            min(best, tile.work * waves(m: m, n: n, units: units, tile: (tile.rows, tile.columns)))
        }
    }

    /// Work done over useful work when an m x n result is cut into 128 x 256 tiles that run in waves over the compute units.
    static func waves(m: Double, n: Double, units: Double, tile: (rows: Double, columns: Double) = (128, 256)) -> Double {
        let (rows, columns) = ((m / tile.rows).rounded(.up), (n / tile.columns).rounded(.up))
        let waves = rows * columns / units
        // Beyond a dozen waves the last one hardly counts, and kernels balance it (stream-K).
        let tail = waves < 12 ? waves.rounded(.up) / waves : 1 + 0.5 / waves
        return tail * (rows * tile.rows / m) * (columns * tile.columns / n)
    }

    /// Fused: executed FLOPs / (e peak), e = e0 s/(s + s_half), backward 2.5 times the FLOPs at a share of forward's efficiency.
    /// Unfused: two batched products and a masked softmax of 9 (forward) and 15 (backward) bytes a score.
    func seconds(_ core: AttentionCore, pass: Pass) -> Double {
        guard pass != .weightGradient else { return 0 }
        if behaviour.flashAttention {
            let keys = Double(core.queries)
            let ramp = keys / (keys + constants[.attentionSHalf])
            let head = core.headDim <= 64 ? constants[.attentionHead64] : 1
            let forward = core.fullFLOPs * core.visible / (constants[.attention] * ramp * head * peak16)
            return pass == .forward ? forward : 2.5 * forward / constants[.attentionBackward]
        }
        let scores = core.scores
        let width = Double(core.headDim)
        var penalty = (width / 64).rounded(.up) * 64 / width
        if core.headDim % 8 != 0 {
            penalty *= 1 + constants[.attentionOdd]
        } else if core.headDim % 64 != 0 {
            penalty *= 1 + constants[.attentionUnaligned]
        }
        let batched = precision == .fp32 ? wideEfficiency * 0.85 : constants[.attentionBmm]
        let product = scores * Double(core.headDim + core.valueDim) / (batched * peak16) * penalty
        let softmax = scores * (pass == .forward ? 9 : 15) * constants[.attentionSoftmax] / (constants[.memory] * bandwidth)
        return (pass == .forward ? 2 : 4) * product + softmax
    }

    /// bytes x fusion factor / (e bandwidth).
    func seconds(_ pass: MemoryPass, part: Part) -> Double {
        memorySeconds(pass.bytes * fusion(part))
    }

    private func fusion(_ part: Part) -> Double {
        switch part {
        case .elementwise, .attention, .mlp, .projection: constants[.elementwise] * memoryFactor
        case .convolution: constants[.convolutionTraffic] * memoryFactor * (wideBytes > 2 ? constants[.convolutionWide] : 1)
        case .loss, .head: constants[.logits]
        case .router, .experts: constants[.moePermute]
        case .embedding: 1
        }
    }

    /// Seconds to move `bytes` through device memory.
    public func memorySeconds(_ bytes: Double) -> Double { bytes / (constants[.memory] * bandwidth) }

    /// GPU time against the host's launch time: a smooth maximum, since the GPU runs ahead of neither for long; with blocking launches their sum;
    /// with CUDA graphs a tenth of the launch cost remains (a graph launches some 0.6 us a node; FITS.md section 6: graphs contain no launch gap).
    /// - Parameter waiting: seconds for which the host is held up beside.
    public func withLaunches(gpu: Double, kernels: Double, waiting: Double = 0) -> Double {
        if behaviour.launchBlocking { return gpu + kernels * constants[.launchBlocking] * 1e-6 }
        let host = kernels * constants[.launch] * 1e-6 * (behaviour.cudaGraphs ? 0.1 : 1) + waiting
        guard host > 0, gpu > 0 else { return max(gpu, host) }
        let ratio = host / gpu
        return gpu * pow(1 + pow(ratio, 6), 1.0 / 6)
    }
}
