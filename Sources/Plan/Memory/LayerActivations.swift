import Calibration
import Cluster
import Workload

/// The tensors that one layer keeps from its forward for its backward, for one micro-batch on one GPU, in bytes.
///
/// Op by op after Korthikanti et al. (arXiv:2205.05198, section 4): each op keeps what its gradient needs. For their layer (GELU, ffn = 4h, dropout,
/// unfused attention) the sum is sbh (10 + 24/t + 5as/(ht)), and sbh (34 + 5as/h)/t with sequence parallelism; a test holds it to that.
public struct LayerActivations: Sendable, Hashable {
    public struct Tensor: Sendable, Hashable {
        public var name: String
        public var bytes: Double
        /// Part of softmax(QK^T)V between its inputs and its output: what selective recomputation drops.
        public var isAttentionCore: Bool
        /// Made by or for the grouped products of routed experts.
        public var isRouted = false
        /// The modules whose recomputation makes it again.
        public var modules: RecomputedModules
    }
    public private(set) var tensors: [Tensor] = []
    /// Bytes of the layer's input, all that full recomputation keeps.
    public private(set) var input = 0.0
    /// Gradients and temporaries alive beside the kept tensors while the layer's backward runs.
    public private(set) var workspace = 0.0
    private var isFused = false

    public var total: Double { tensors.reduce(0) { $0 + $1.bytes } }
    /// What the grouped products of routed experts keep.
    private var routed: Double { tensors.reduce(0) { $0 + ($1.isRouted ? $1.bytes : 0) } }
    public var attentionCore: Double { tensors.reduce(0) { $0 + ($1.isAttentionCore ? $1.bytes : 0) } }

    /// - Parameter isExpert: the layer has experts in place of its MLP.
    public init(job: Job, isExpert: Bool) {
        let shape = LayerShape(job)
        input = shape.e * shape.h * shape.local
        isFused = shape.traits.flash
        addAttention(job, shape)
        // Of operations that run one by one, norms: a copy in fp32 and what it is scaled from, in place of the input.
        if shape.traits.isUnfused, job.model.norm == .rms { add("norm inputs in fp32", 2 * 4 * shape.h * shape.local) }
        if shape.tensor > 1 { add("shards of gathered inputs", shape.traits.stack.tensorHiddenBytes * shape.h * shape.split) }
        if isExpert, let moe = job.model.moe { addExperts(moe, shape) } else { addMLP(width: Double(job.model.ffn), shape) }
        if let adapters = job.training.adapters { addAdapters(adapters, job, isExpert: isExpert) }
        // No gradient passes back through the layers.
        if !job.layersNeedBackward { (tensors, input) = ([], 0) }
    }

    /// The narrow product of each adapter; with dropout also what is left of its input, and the mask.
    private mutating func addAdapters(_ adapters: LowRankAdapters, _ job: Job, isExpert: Bool) {
        let shape = LayerShape(job)
        for matrix in adapters.matrices(.layer(LayerVariant(kind: isExpert ? .moe : .dense)), of: job.deployment) {
            let routed = shape.expertTokens * Double(job.model.moe?.active ?? 1) * Double(shape.expertTensor)
            let tokens = matrix.isRouted ? routed : shape.tokens
            let modules: RecomputedModules = matrix.part == .attention ? [] : matrix.part == .experts ? .moe : .mlp
            add("adapter's narrow product", shape.e * Double(adapters.rank) * tokens, from: modules)
            if adapters.dropout { add("adapter's own input and mask", (shape.e + 1) * Double(matrix.input) * tokens, from: modules) }
        }
    }

    private mutating func add(
        _ name: String, _ bytes: Double, core: Bool = false, routed: Bool = false, from modules: RecomputedModules = []
    ) {
        guard bytes > 0 else { return }
        let all = core ? modules.union(.attentionCore) : modules
        tensors.append(Tensor(name: name, bytes: bytes, isAttentionCore: core, isRouted: routed, modules: all))
    }

    private mutating func addAttention(_ job: Job, _ x: LayerShape) {
        let model = job.model
        let heads = Double(model.heads)
        add("attention norm input", x.e * x.h * x.local)
        if x.inputs.contains(.projection) { add("projection input (q, k, v)", x.linear * x.h * x.local, from: .norms) }
        let valueWidth: Double
        if case .mla(let queryRank, let kvRank, let rope, let nope, let value) = model.attention {
            // Down-projections and their norms are replicated over the tensor group.
            if let queryRank {
                add("query latent", x.e * Double(queryRank) * x.local)
                add("query latent's norm", x.linear * Double(queryRank) * x.local, from: .norms)
            }
            add("key-value latent", x.e * Double(kvRank + rope) * x.local)
            add("key-value latent's norm", x.linear * Double(kvRank) * x.local, from: .norms)
            valueWidth = Double(value)
            add("query", x.e * heads * Double(nope + rope) * x.split, from: .latentUp)
            add("key", x.e * heads * Double(nope + rope) * x.split, from: .latentUp)
            // The value is a view of the up-projection's output, which therefore stays whole.
            add("key-value up-projection", x.e * heads * Double(nope + value) * x.split, from: .latentUp)
        } else {
            let head = Double(model.headDim > 0 ? model.headDim : model.hidden / max(1, model.heads))
            valueWidth = head
            let kvHeads = Double(max(model.kvHeads, model.kvHeads < x.headParts ? x.headParts : 1))
            add("query", x.e * heads * head * x.split)
            add("key", x.e * kvHeads * head * x.split)
            add("value", x.e * kvHeads * head * x.split)
            if case .rotary = model.positions, x.traits.family == .megatron, x.traits.stack.keepsView {
                // Rotation writes new queries and keys while the value, a view, holds on to the fused projection's whole output.
                add("fused projection held by its view", x.e * (heads + kvHeads) * head * x.split)
            }
            if model.qkNorm { add("query and key norm inputs", x.e * (heads + kvHeads) * head * x.split) }
        }
        let keys = Double(job.training.sequence)
        if x.traits.flash {
            add("log-sum-exp", 4 * heads * x.split, core: true)
        } else {
            let scores = heads * keys * x.split
            add("softmax output", x.e * scores, core: true)
            if x.traits.dropout {
                add("attention dropout mask", scores, core: true)
                add("attention dropout output", x.e * scores, core: true)
            }
        }
        // Where inputs are kept in a format of their own, the attention's output is kept once, as the projection's input.
        let isKeptOnce = job.precision.activations != nil
        add("attention output", (isKeptOnce ? x.ahead : x.e) * heads * valueWidth * x.split)
        if x.low, x.traits.flash, !isKeptOnce, x.inputs.contains(.output) {
            add("output projection input", x.linear * heads * valueWidth * x.split)
        }
        if x.traits.dropout { add("residual dropout mask", x.h * x.local) }
        // Unfused: gradients of the probabilities and of the scores, both whole. Fused: gradients of q, k, v and the output.
        let unfused = 2 * x.e * heads * keys * x.split
        workspace = max(workspace, x.traits.flash ? 4 * x.e * heads * valueWidth * x.split : unfused)
    }

    private mutating func addMLP(width: Double, _ x: LayerShape) {
        add("MLP norm input", x.e * x.h * x.local)
        if x.inputs.contains(.up) { add("MLP input", x.linear * x.h * x.local, from: .norms) }
        let projections: Double = x.gated ? 2 : 1
        add("activation input", x.ahead * projections * width * x.split, from: .mlp)
        if x.traits.stack.keepsGate || x.traits.isUnfused, x.gated {
            add("activated gate", x.e * width * x.split, from: [.activation, .mlp])
        }
        // x / 2, x / sqrt 2 and 1 + erf: two of the three are kept beside the function's input and output.
        if x.traits.isUnfused, !x.gated { add("steps of the activation function", 2 * x.e * width * x.split, from: [.activation, .mlp]) }
        if x.inputs.contains(.down) { add("down-projection input", x.linear * width * x.split, from: [.activation, .mlp]) }
        if x.traits.dropout { add("residual dropout mask", x.h * x.local) }
        workspace = max(workspace, x.e * (projections + 1) * width * x.split + x.e * x.h * x.tokens)
    }

    /// Experts see every token `active` times; all-to-all only exchanges which, so a balanced rank holds as many as it sent.
    private mutating func addExperts(_ moe: Architecture.MoE, _ x: LayerShape) {
        add("MLP norm input", x.e * x.h * x.local)
        if !x.inputs.isDisjoint(with: [.router, .expertUp]) { add("router input", x.e * x.h * x.local, from: .norms) }
        // fp32 logits and probabilities, and the routing map.
        add("router logits and map", 9 * Double(moe.experts) * x.local, from: .moe)
        let projections: Double = x.gated ? 2 : 1
        let load = max(1, moe.imbalance) * Double(moe.active) * (moe.capacity.map { min($0, 1.0e3) } ?? 1)
        // Within an expert-tensor group tokens are gathered and the inner width is cut.
        let routed = x.expertTokens * load
        let inner = Double(moe.ffn) / Double(x.expertTensor)
        if x.inputs.contains(.expertUp) { add("expert inputs", x.linear * x.h * routed * Double(x.expertTensor), routed: true, from: .moe) }
        add("expert activation input", x.ahead * projections * inner * routed * Double(x.expertTensor), routed: true, from: .moe)
        let downInput = x.linear * inner * routed * Double(x.expertTensor)
        if x.inputs.contains(.expertDown) { add("expert down-projection input", downInput, routed: true, from: [.activation, .moe]) }
        // For the gradient of the routing weights. Where these are applied in the activation function, as Megatron-Core's memory-efficient permutation
        // does, recomputing that gives the gradient without them.
        add("expert outputs before weighting", x.e * x.h * routed, routed: true, from: [.activation, .moe])
        let shared = Double(moe.sharedFFN ?? moe.shared * moe.ffn)
        add("shared expert activation input", x.ahead * projections * shared * x.split, from: .moe)
        if x.inputs.contains(.expertDown) {
            add("shared expert down-projection input", x.linear * shared * x.split, from: [.activation, .moe])
        }
        workspace = max(workspace, x.e * ((projections + 1) * inner * Double(x.expertTensor) + x.h) * routed)
    }

    /// Bytes kept in flight under a policy, and bytes that come alive again for one layer in its backward.
    public func kept(_ policy: Recompute, repeatsHalf: Bool = false) -> (stored: Double, live: Double) {
        switch policy {
        case .none, .layers, .perRank, .auto: (total, 0)
        case .full: (input, total)
        case .selective where repeatsHalf:
            // torchtitan's selective mode keeps the attention output and every second matrix product: about half of what lies inside the layer. Grouped
            // products are not on its list of what is kept.
            (input + (total - input - routed) / 2, (total - input + routed) / 2)
        // A fused kernel keeps no scores and computes them again as it is: there is nothing to select (its statistics stay).
        case .selective where isFused: (total, 0)
        case .selective: (total - attentionCore, attentionCore)
        case .modules(let chosen): (total - bytes(of: chosen), bytes(of: chosen))
        }
    }

    private func bytes(of modules: RecomputedModules) -> Double {
        tensors.reduce(0) { $0 + ($1.modules.isDisjoint(with: modules) ? 0 : $1.bytes) }
    }
}

/// Sizes shared by the ops of a layer: token counts per way of cutting, and bytes an element.
struct LayerShape: Sendable {
    var traits: MemoryTraits
    var h: Double
    /// Bytes of a stored activation; of one that only feeds a matrix product (8-bit recipes store those quantised).
    var e: Double
    var linear: Double
    /// Of an input of an activation function.
    var ahead: Double
    var low: Bool
    var gated: Bool
    /// Tokens of the micro-batch on a context rank.
    var tokens: Double
    var tensor: Double
    /// Tokens over the tensor group: multiplies full widths whose columns are cut.
    var split: Double
    /// Tokens held where the whole width is present: cut by the tensor group with sequence parallelism only.
    var local: Double
    /// Tokens that a rank sends to experts.
    var expertTokens: Double
    var expertTensor: Int
    /// Parts that heads are cut into.
    var headParts: Int
    /// Linear layers whose inputs are kept.
    var inputs: KeptInputs

    init(_ job: Job) {
        traits = MemoryTraits(job)
        inputs = KeptInputs(job)
        h = Double(job.model.hidden)
        let compute = job.precision.compute
        e = job.precision.activationBytes
        // Transformer Engine keeps the quantised input of a linear layer; torchtitan's float8 casts again in the backward.
        low = compute.isLow && traits.family == .megatron
        // Block scales: a byte for each 32 elements of MXFP8 and each 16 of NVFP4.
        let scales = compute == .mxfp8 ? 1.0 / 32 : compute == .nvfp4 ? 1.0 / 16 : 0
        ahead = e
        if let kept = job.precision.activations {
            // Eight bits carry a 4-byte scale for each 128 elements (arXiv:2412.19437 section 3.3.3).
            ahead = kept.isLow ? kept.bytes + 4.0 / 128 : kept.bytes
            linear = low ? min(compute.bytes + scales, ahead) : ahead
        } else {
            linear = low ? compute.bytes + scales : e
        }
        gated = job.model.activation.isGated
        tensor = Double(max(1, job.layout.tensor))
        tokens = Double(job.training.microBatch) * Double(job.training.sequence) / Double(max(1, job.layout.context))
        split = tokens / tensor
        headParts = job.layout.tensorGrid > 0 ? job.layout.tensorGrid : max(1, job.layout.tensor)
        // A grid cuts tokens and widths alike, so nothing is whole.
        local = job.layout.sequenceParallel || job.layout.tensorGrid > 0 ? split : tokens
        expertTensor = max(1, job.layout.expertTensor)
        expertTokens = split
    }
}
