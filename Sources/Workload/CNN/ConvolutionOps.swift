/// Ops of a ResNet by implicit GEMM: m = pictures x output positions, n = output channels, k = input channels x kernel area.
extension ResNet {
    func stem(sharding: Sharding) -> LayerProfile {
        var ops = ConvolutionOps(sharding)
        ops.convolve(stemConvolution, needsInputGradient: false)
        // Max pooling 3 x 3, stride 2: reads its input, writes a quarter; backward the reverse with indices.
        let pooled = ops.elements(stemConvolution) * 1.25
        ops.memory("max pool", forward: pooled, backward: pooled * 1.2)
        return ops.profile
    }

    func block(stage: Int, first: Bool, sharding: Sharding) -> LayerProfile {
        var ops = ConvolutionOps(sharding)
        let convolutions = convolutions(stage: stage, first: first)
        for convolution in convolutions { ops.convolve(convolution, needsInputGradient: true) }
        if let last = convolutions.last {
            // Shortcut: two reads and a write, and the same for the sum of the two branches' gradients.
            let elements = ops.elements(last)
            ops.memory("residual", forward: 3 * elements, backward: 3 * elements)
            ops.memory("relu", forward: 2 * elements, backward: 3 * elements)
        }
        return ops.profile
    }

    func classifier(sharding: Sharding) -> LayerProfile {
        var ops = ConvolutionOps(sharding)
        if let last = convolutions(stage: 3, first: false).last {
            ops.memory("average pool", forward: ops.elements(last), backward: ops.elements(last))
        }
        let gemm = GEMM(m: sharding.microBatch, n: Self.classes, k: Self.features, lowPrecision: false)
        ops.products("classifier", .head, gemm, needsInputGradient: true)
        ops.memory("cross-entropy", forward: 7 * Double(gemm.m * gemm.n), backward: 4 * Double(gemm.m * gemm.n), part: .loss)
        return ops.profile
    }
}

/// Collects a block's ops; backward ops in reverse order of execution, as in `LayerBuilder`.
private struct ConvolutionOps {
    private let images: Int
    private let elementBytes: Double
    private var forward: [Op] = []
    private var backward: [Op] = []

    init(_ sharding: Sharding) {
        images = max(0, min(sharding.microBatch, 1 << 30))
        elementBytes = sharding.activationBytes
    }

    var profile: LayerProfile { LayerProfile(ops: forward + backward.reversed()) }

    func elements(_ c: ResNet.Convolution) -> Double { Double(images) * Double(c.outputSize * c.outputSize) * Double(c.outputs) }

    mutating func convolve(_ c: ResNet.Convolution, needsInputGradient: Bool) {
        // Convolutions in groups reach about half of what their narrow products would (ResNeXt against ResNet on one stack).
        let gemm = GEMM(
            m: clampedProduct(images, c.outputSize * c.outputSize * (c.groups > 1 ? 2 : 1)), n: c.outputs,
            k: c.inputs * c.kernel * c.kernel / max(1, c.groups),
            lowPrecision: false)
        products("convolution", .convolution, gemm, needsInputGradient: needsInputGradient)
        // Training batch norm: one pass for the statistics, one read and write; backward two reads for the sums, then two reads and a write.
        memory("batch norm", forward: 3 * elements(c), backward: 5 * elements(c))
        if c.hasReLU { memory("relu", forward: 2 * elements(c), backward: 3 * elements(c)) }
    }

    mutating func products(_ name: String, _ part: Part, _ gemm: GEMM, needsInputGradient: Bool) {
        let product = { (m: Int, n: Int, k: Int) in Op.Work.gemm(GEMM(m: m, n: n, k: k, lowPrecision: false)) }
        forward.append(Op(name, part, .forward, .gemm(gemm)))
        backward.append(Op(name, part, .weightGradient, product(gemm.n, gemm.k, gemm.m)))
        if needsInputGradient { backward.append(Op(name, part, .inputGradient, product(gemm.m, gemm.k, gemm.n))) }
    }

    mutating func memory(_ name: String, forward read: Double, backward written: Double, part: Part = .convolution) {
        forward.append(Op(name, part, .forward, .memory(MemoryPass(bytes: read * elementBytes))))
        backward.append(Op(name, part, .inputGradient, .memory(MemoryPass(bytes: written * elementBytes))))
    }
}
