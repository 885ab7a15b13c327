import Yams

/// What a software stack keeps in device memory and what its memory figure counts; read from stacks.yaml, which has the reasons.
public struct StackMemory: Sendable, Hashable {
    /// Stacks whose optimizers and engines allocate alike.
    public enum Family: String, Sendable, Hashable, CaseIterable { case megatron, deepspeed, fsdp, xla }
    /// When the cross entropy works on the logits in place.
    public enum FusedLoss: String, Sendable, Hashable, CaseIterable {
        case never
        case withFlash = "with-flash"
        case always
    }

    public var family = Family.megatron
    /// Bytes outside the allocator.
    public var context = 0.0
    /// Share of the activations that the caching allocator cannot reuse.
    public var slack = 0.0
    public var measure = MemoryMeasure.allocated
    /// Bytes of an accumulated gradient, and in training in fp16.
    public var gradientBytes = 4.0
    public var fp16GradientBytes = 4.0
    /// The 16-bit gradient stays beside its fp32 sum.
    public var keepsUnreduced = false
    /// The weights that stay are the fp32 masters.
    public var keepsOnlyMasters = false
    /// Weights in eight bits are the only copy.
    public var keepsOnlyLowWeights = false
    public var fusedLoss = FusedLoss.never
    /// Classic models train with dropout by default.
    public var dropout = false
    /// Scores of the attention are written out by default.
    public var unfusedAttention = false
    /// Selective recomputation repeats every second matrix product.
    public var repeatsHalf = false

    /// Gated activations and their product are kept apart (eager code), not made again in one kernel.
    public var keepsGate = false
    /// Bytes that an unfused loss holds of a logit beside the 16-bit one.
    public var lossBytes = 8.0
    /// Bytes that a stage with the head holds for each hidden element of each token whole, where there is a tensor group: gathered tensors that
    /// asynchronous exchanges have not given back yet. The allocator waits for them before it fails.
    public var headBytes = 0.0
    /// Bytes of the cache for each hidden element of each token where there is a tensor group: gathered tensors that wait for their streams when the
    /// next are asked for, given back before the allocator fails.
    public var waitingBytes = 0.0
    /// Bytes that a layer keeps for each hidden element of each token beside what its operations need, cut by the tensor group, where there is one.
    public var tensorHiddenBytes = 0.0
    /// Rotated queries and keys are kept beside the fused projection that the value is a view of.
    public var keepsView = true
    /// Bytes of the allocator's that no layer accounts for: workspaces of product libraries.
    public var workspace = 0.0
    /// Bytes of workspaces that trying algorithms out leaves in the allocator's cache while there is room.
    public var tried = 0.0
    /// Norms and activation functions run operation by operation, unless the model is compiled: copies in fp32 of what is normalised, and what each step of
    /// the activation function needs.
    public var isUnfused = false
    /// Copies of the attention's scores that releases before one leave in the cache beside those counted, the oldest first.
    public var earlyScores: [EarlyScores] = []

    /// Of releases before one.
    public struct EarlyScores: Sendable, Hashable {
        public var before: String
        public var copies: Double
    }

    /// Copies of the scores that a release leaves in the cache.
    public func scores(of release: String?) -> Double {
        guard let release else { return 0 }
        func numbers(_ text: String) -> [Int] { text.split(separator: ".").map { Int($0) ?? 0 } }
        return earlyScores.first { numbers(release).lexicographicallyPrecedes(numbers($0.before)) }?.copies ?? 0
    }
    /// The figure is printed by the first rank alone.
    public var printsFirstStage = false
    /// Weights, gradients and states of the optimizer are all 16-bit, and there are no masters (single-device fine-tuning).
    public var isPure16 = false

    /// Gradients are given back after the step and made anew in the next backward, when the activations go.
    public var freesGradients = false
    /// Recipes for one device fall back on 8-bit states, and on states paged out to the host, where the plain ones do not fit.
    public var pagesStates = false

    init() {}

    /// - Throws: `CalibrationError` naming the entry at fault.
    init(
        _ entry: StackTable.Entry, _ own: Node.Mapping?, families: Node.Mapping, of name: String
    ) throws(CalibrationError) {
        let familyName = own?["family"]?.string ?? ""
        guard let family = Family(rawValue: familyName), let shared = families[familyName]?.mapping, shared["why"]?.string != nil else {
            throw CalibrationError("stacks.yaml: \(name): no memory family \"\(familyName)\" with a reason (why)")
        }
        func value(_ key: String) -> Node? { own?[Node(key)] ?? shared[Node(key)] }
        guard let context = value("context")?.float, let slack = value("slack")?.float,
            let measure = value("measure")?.string.flatMap(MemoryMeasure.init(rawValue:)), let gradients = value("gradients")?.float
        else { throw CalibrationError("stacks.yaml: \(name): memory needs context, slack, measure and gradients") }
        self.family = family
        self.context = context
        self.slack = slack
        self.measure = measure
        gradientBytes = gradients
        fp16GradientBytes = value("gradients_fp16")?.float ?? gradients
        keepsUnreduced = value("keeps_unreduced")?.bool ?? false
        keepsOnlyMasters = value("masters_only")?.bool ?? false
        keepsOnlyLowWeights = value("low_weights_only")?.bool ?? false
        fusedLoss = value("fused_loss")?.string.flatMap(FusedLoss.init(rawValue:)) ?? .never
        dropout = value("dropout")?.bool ?? false
        keepsGate = value("keeps_gate")?.bool ?? false
        lossBytes = value("loss_bytes")?.float ?? 8
        headBytes = value("head_bytes")?.float ?? 0
        printsFirstStage = value("prints")?.string == "first"
        isPure16 = value("pure_16")?.bool ?? false
        tensorHiddenBytes = value("tensor_hidden_bytes")?.float ?? 0
        waitingBytes = value("waiting_bytes")?.float ?? 0
        keepsView = value("keeps_view")?.bool ?? true
        workspace = value("workspace")?.float ?? 0
        tried = value("tried")?.float ?? 0
        freesGradients = value("frees_gradients")?.bool ?? false
        pagesStates = value("pages_states")?.bool ?? false
        isUnfused = value("unfused")?.bool ?? false
        earlyScores = (value("early_scores")?.mapping.map { Array($0) } ?? []).compactMap { pair in
            guard let before = pair.key.string, let copies = pair.value.float else { return nil }
            return EarlyScores(before: before, copies: copies)
        }
        unfusedAttention = !entry.flashAttention
        repeatsHalf = entry.selectiveHalf
    }
}

/// What a printed memory figure counts.
public enum MemoryMeasure: String, Sendable, Hashable, Codable, CaseIterable {
    /// Live tensors at their peak (`torch.cuda.max_memory_allocated`); Megatron-LM logs it.
    case allocated
    /// What the allocator holds from the driver (`max_memory_reserved`); torchtitan logs it.
    case reserved
    /// All that is in use on the device (`nvidia-smi`), contexts and communication libraries included.
    case device
}
