import Compression
import Kernels
import Training

/// Which calls a calibration times, in the order of their worth: whatever ends it early leaves the rest for later.
public struct CalibrationShapes: Sendable {
    /// Each once; those of real models first, then log-spaced ones, coarse before fine.
    public let calls: [KernelCall]

    /// With the limits that `calibrate cpu` has.
    static let standard = CalibrationShapes()

    /// - Parameter longest: seconds that one call may take on a core of 20 GFLOP/s
    public init(longest: Double = 0.15) {
        var seen: Set<KernelCall> = []
        let real = Self.models().filter { seen.insert($0).inserted }
        var grid: [(place: Double, call: KernelCall)] = []
        let candidates = KernelGrid.training(mostBytes: 0x1p27, mostFLOPs: longest * 2e10) + Self.sparse + Self.between
        var byKernel: [KernelName: [KernelCall]] = [:]
        for call in candidates where seen.insert(call).inserted { byKernel[call.kernel, default: []].append(call) }
        for kernel in KernelName.allCases {
            let calls = byKernel[kernel] ?? []
            for (rank, index) in Self.coarseToFine(calls.count).enumerated() {
                grid.append((Double(rank + 1) / Self.weight(kernel), calls[index]))
            }
        }
        // Stable: equal places keep the order of the kernels.
        let ordered = grid.enumerated().sorted { ($0.element.place, $0.offset) < ($1.element.place, $1.offset) }
        calls = real.filter { Self.expectedSeconds($0) <= longest } + ordered.map(\.element.call)
    }

    /// Seconds on a slow core, for planning only.
    static func expectedSeconds(_ call: KernelCall) -> Double { call.flops / 2e10 + call.bytes / 3e9 + 1e-6 }

    /// Products and attention make most of a step, so they get most of the shapes.
    private static func weight(_ kernel: KernelName) -> Double {
        switch kernel {
        case .gemmNN, .gemmNT, .gemmTN: 5
        case .attention, .attentionBackward: 3
        case .gemmTT: 0.5
        default: 1
        }
    }

    /// 0..<count so that every beginning of it is spread over the whole: the van der Corput sequence in base 2, ends first.
    static func coarseToFine(_ count: Int) -> [Int] {
        guard count > 2 else { return Array(0..<count) }
        var order = [0, count - 1]
        var isTaken = [Bool](repeating: false, count: count)
        isTaken[0] = true
        isTaken[count - 1] = true
        var number = 1
        while order.count < count {
            var (digits, value, half) = (number, 0.0, 0.5)
            while digits > 0 {
                if digits & 1 == 1 { value += half }
                digits >>= 1
                half /= 2
            }
            number += 1
            let index = Int(value * Double(count))
            if !isTaken[index] {
                isTaken[index] = true
                order.append(index)
            }
        }
        return order
    }

    /// Shapes between those of the log-spaced grid, where caches end or small products do.
    private static var between: [KernelCall] {
        var calls: [KernelCall] = []
        func add(_ kernel: KernelName, _ sizes: [Int]) {
            if let call = try? KernelCall(kernel, sizes) { calls.append(call) }
        }
        for kernel in KernelName.allCases {
            switch kernel.sizeNames {
            // 3/4 of each power of two.
            case ["count"]: for power in 7...24 { add(kernel, [3 << (power - 2)]) }
            case ["rows", "width"]:
                for width in [32, 128, 512, 2048] {
                    for rows in [32, 128, 512, 2048] { add(kernel, [rows, width]) }
                }
            case ["m", "n", "k"] where kernel != .gemmTT:
                for (m, n, k) in [
                    (10, 64, 64), (8, 128, 32), (24, 24, 24), (32, 32, 32), (32, 64, 128), (48, 48, 48), (64, 10, 128), (64, 32, 256),
                    (64, 96, 64),
                    (96, 96, 96), (100, 100, 100), (16, 256, 128), (256, 16, 128), (128, 128, 32), (128, 32, 128), (32, 128, 128),
                    (128, 64, 64), (40, 80, 160),
                    (128, 128, 128), (128, 256, 128), (256, 256, 256), (384, 384, 384), (256, 1024, 256), (1024, 256, 256),
                    (1024, 1024, 256),
                    (128, 1024, 512), (32, 512, 512), (32, 1024, 1024), (96, 768, 768), (300, 300, 300),
                ] { add(kernel, [m, n, k]) }
            default: break
            }
        }
        return calls
    }

    /// Attention over each query's best keys, which the log-spaced grid has too few of for a fit.
    private static var sparse: [KernelCall] {
        var calls: [KernelCall] = []
        for kernel in [KernelName.attention, .attentionBackward] {
            for (length, kept) in [(32, 8), (64, 8), (64, 32), (128, 16), (128, 64), (256, 32), (256, 64)] {
                for heads in [2, 4] {
                    if let call = try? KernelCall(kernel, [2, heads, length, 32, 1, kept]) { calls.append(call) }
                }
            }
        }
        return calls
    }

    /// What training steps of small models consist of, in the order in which they occur.
    private static func models() -> [KernelCall] {
        guard let cpu = try? CPUBackend(threads: 1) else { return [] }
        let recorder = RecordingBackend(cpu)
        // Made outside the model: the optimizer's part, and the sums of an exchange of gradients.
        var outside: [KernelCall] = []
        func record<M: Model>(_ model: M?, _ batch: M.Batch?) {
            guard let model, let batch else { return }
            // Which calls a step makes does not depend on its parameters.
            _ = try? model.lossAndGradients(model.shapes.map { Tensor<Float>(zeros: $0) }, batch, on: recorder)
            for count in Set(model.shapes.map { $0.reduce(1, *) } + [model.parameterCount]).sorted() {
                for kernel in [KernelName.adamW, .sgd, .add, .scale, .copy, .zeros] {
                    if let call = try? KernelCall(kernel, [count]) { outside.append(call) }
                }
            }
        }
        for (sizes, samples) in [([64, 256, 256, 10], 64), ([784, 512, 512, 10], 128), ([256, 1024, 1024, 256, 10], 32)] {
            let inputs = [Double](repeating: 0.5, count: sizes[0] * samples)
            record(try? MLP(sizes: sizes), MLP.Batch(inputs: inputs, labels: [Int](repeating: 1, count: samples)))
        }
        for (side, channels, samples) in [(16, [8, 16], 32), (28, [16, 32], 16)] {
            let inputs = [Double](repeating: 0.5, count: side * side * samples)
            record(try? CNN(side: side, channels: channels), CNN.Batch(inputs: inputs, labels: [Int](repeating: 1, count: samples)))
        }
        for (vocabulary, length, width, heads, layers, sequences) in [
            (64, 32, 64, 4, 2, 8), (256, 64, 128, 4, 1, 4), (512, 128, 256, 8, 1, 2),
        ] {
            let model = try? GPT(vocabulary: vocabulary, length: length, width: width, heads: heads, layers: layers)
            let tokens = (0..<sequences * length).map { ($0 * 31 + 7) % vocabulary }
            record(model, GPT.Batch(tokens: tokens, next: tokens.reversed()))
        }
        return (recorder.drain().map(\.call) + outside).filter { $0.bytes > 0 }
    }

    /// Codecs whose speed depends on the message's size and on how much of it is kept.
    public static func codecs() -> [any GradientCodec] {
        var codecs: [any GradientCodec] = [IdentityCodec(), Bfloat16Codec()]
        for format in [NumberFormat.e4m3, .int8, .int4] {
            if let codec = try? BlockQuantizer(format, block: 256) { codecs.append(codec) }
        }
        for share in [0.01, 0.05, 0.2] {
            if let codec = try? SparseCodec(.top(.share(share))) { codecs.append(codec) }
        }
        if let values = try? BlockQuantizer(.e4m3, block: 256), let codec = try? SparseCodec(.top(.share(0.05)), values: values) {
            codecs.append(codec)
        }
        if let codec = try? PowerSGD(rank: 4) { codecs.append(codec) }
        return codecs
    }
}
