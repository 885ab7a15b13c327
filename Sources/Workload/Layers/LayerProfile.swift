/// The work of one rank for one layer (or embedding, or head) and one micro-batch: the ops of the forward pass in order of execution, then those
/// of the backward pass (input and weight gradients) in order of execution.
public struct LayerProfile: Sendable, Hashable {
    public var ops: [Op]
    public init(ops: [Op]) { self.ops = ops }

    public func ops(in pass: Pass) -> [Op] { ops.filter { $0.pass == pass } }

    /// Executed FLOPs of a pass: matrix products and attention over the pairs that the mask leaves (a backward core is 2.5 forward ones, since
    /// flash attention computes the scores again, arXiv:2205.14135).
    public func flops(in pass: Pass) -> Double {
        ops.reduce(0) { sum, op in
            guard op.pass == pass else { return sum }
            switch op.work {
            case .gemm(let gemm): return sum + gemm.flops
            case .attention(let core): return sum + core.fullFLOPs * core.visible * (pass == .forward ? 1 : 2.5)
            case .memory, .communication: return sum
            }
        }
    }

    /// Bytes of the memory-bound ops of a pass.
    public func memoryBytes(in pass: Pass) -> Double {
        ops.reduce(0) { sum, op in
            guard op.pass == pass, case .memory(let memory) = op.work else { return sum }
            return sum + memory.bytes
        }
    }

    /// Kernel launches of an unfused eager framework.
    public func kernels(in pass: Pass) -> Int { ops.reduce(0) { $1.pass == pass ? $0 + $1.kernels : $0 } }
}

/// What tells the layers of a model apart. Equal variants have equal profiles, so a caller computes each once.
public struct LayerVariant: Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
        case dense, moe
        /// A bottleneck block of a ResNet: its stage (0 to 3), and whether it is the stage's first, which widens and (but for stage 0) halves the picture.
        case bottleneck(stage: Int, first: Bool)
    }
    public var kind: Kind
    /// Attention sees only the sliding window.
    public var windowed: Bool
    public init(kind: Kind, windowed: Bool = false) {
        self.kind = kind
        self.windowed = windowed
    }
}

extension Architecture {
    /// Whether layer `index` (from 0) has windowed attention.
    public func isWindowed(_ index: Int) -> Bool {
        guard case .sliding(_, let period) = attention else { return false }
        return period <= 1 || (index + 1) % period != 0
    }

    /// The variant of layer `index` (from 0).
    public func variant(at index: Int) -> LayerVariant {
        if case .resnet = kind {
            let place = ResNet(self)?.place(ofBlock: index) ?? (stage: 0, first: false)
            return LayerVariant(kind: .bottleneck(stage: place.stage, first: place.first))
        }
        let isMoE = moe.map { index >= $0.denseLayers } ?? false
        return LayerVariant(kind: isMoE ? .moe : .dense, windowed: isWindowed(index))
    }

    /// Ops of layer `index` (from 0) on one rank.
    public func layer(at index: Int, sharding: Sharding) -> LayerProfile { layer(variant(at: index), sharding: sharding) }

    /// Ops of a layer of the given variant on one rank. O(ops), some microseconds.
    public func layer(_ variant: LayerVariant, sharding: Sharding) -> LayerProfile {
        switch variant.kind {
        case .bottleneck(let stage, let first):
            return ResNet(self)?.block(stage: stage, first: first, sharding: sharding) ?? LayerProfile(ops: [])
        case .dense, .moe:
            var builder = LayerBuilder(self, sharding)
            builder.transformerLayer(variant)
            return builder.profile
        }
    }

    /// Ops of a layer by kind.
    public func layer(kind: LayerVariant.Kind, windowed: Bool = false, sharding: Sharding) -> LayerProfile {
        layer(LayerVariant(kind: kind, windowed: windowed), sharding: sharding)
    }

    /// Token look-up, positions and dropout (a CNN: its stem).
    public func embedding(sharding: Sharding) -> LayerProfile {
        if case .resnet = kind { return ResNet(self)?.stem(sharding: sharding) ?? LayerProfile(ops: []) }
        var builder = LayerBuilder(self, sharding)
        builder.embedding()
        return builder.profile
    }

    /// Final norm, output product and vocabulary-parallel cross-entropy in fp32, with BERT's heads (a CNN: pooling and classifier).
    public func head(sharding: Sharding) -> LayerProfile {
        if case .resnet = kind { return ResNet(self)?.classifier(sharding: sharding) ?? LayerProfile(ops: []) }
        var builder = LayerBuilder(self, sharding)
        builder.head()
        return builder.profile
    }

    /// One multi-token-prediction module with its transformer layer and its pass of the shared head (arXiv:2412.19437 section 2.2).
    public func multiTokenPrediction(sharding: Sharding) -> LayerProfile {
        var builder = LayerBuilder(self, sharding)
        builder.multiTokenPrediction()
        return builder.profile
    }
}
