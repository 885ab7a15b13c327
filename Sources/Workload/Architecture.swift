import Quantities

/// A model's shape, free of any machine or layout. Counts and widths only; no weights.
public struct Architecture: Sendable, Hashable {
    public enum Activation: String, Sendable, Hashable, Codable, CaseIterable {
        case gelu, relu, swiglu, geglu
        /// Gated units multiply two projections, so the first matrix of the MLP is twice as wide.
        public var isGated: Bool { self == .swiglu || self == .geglu }
    }
    public enum Norm: String, Sendable, Hashable, Codable { case layer, rms }
    public enum Positions: Sendable, Hashable {
        /// A learned table of `length` vectors.
        case learned(length: Int)
        case rotary, alibi, none
    }
    public enum Attention: Sendable, Hashable {
        case full
        /// Every `period`-th layer sees everything, the others only the last `window` tokens (period 1: all are windowed; 2: alternating).
        case sliding(window: Int, period: Int)
        /// Top-k routed attention: each query reads `topK` keys, which `scoring` finds.
        case sparse(topK: Int, scoring: KeyScoring = .full)
        /// Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434). Ranks and widths in elements; `queryRank` nil: no query compression.
        case mla(queryRank: Int?, kvRank: Int, ropeDim: Int, nopeDim: Int, valueDim: Int)
    }
    /// What finding the keys of sparse attention takes.
    public enum KeyScoring: Sendable, Hashable {
        /// Nothing: the pattern is fixed.
        case none
        /// Every key-value head scores every pair that the mask leaves, in its whole width.
        case full
        /// So many scoring heads of `width` do so, and one choice serves all heads (DeepSeek-V3.2's indexer, arXiv:2512.02556).
        case indexer(heads: Int, width: Int)
        /// Hashed keys are sorted, n log n, instead of scored (Reformer, arXiv:2001.04451).
        case sorted
    }
    public struct MoE: Sendable, Hashable {
        public var experts: Int
        /// Experts a token is sent to.
        public var active: Int
        public var shared: Int
        /// Inner width of one expert.
        public var ffn: Int
        /// Inner width of the shared experts together; nil means shared x ffn.
        public var sharedFFN: Int?
        /// Leading layers that have an ordinary MLP of width `Architecture.ffn`.
        public var denseLayers: Int
        /// Tokens an expert accepts as a multiple of an even share; nil: dropless.
        public var capacity: Double?
        /// Load of the busiest expert rank over the mean, at least 1.
        public var imbalance: Double
        /// One stored bias an expert that steers the routing without a loss (DeepSeek-V3, arXiv:2412.19437 section 2.1.2).
        public var balancingBias = false
        /// A gate of `hidden` weights on the shared experts' output (Qwen2-MoE).
        public var sharedGate = false
        /// Most nodes that the experts of one token may stand on (node-limited routing, DeepSeek-V3, arXiv:2412.19437 section 2.1.2).
        public var nodeLimit: Int?
        public init(
            experts: Int, active: Int, shared: Int = 0, ffn: Int, sharedFFN: Int? = nil, denseLayers: Int = 0, capacity: Double? = nil,
            imbalance: Double = 1
        ) {
            self.experts = experts
            self.active = active
            self.shared = shared
            self.ffn = ffn
            self.sharedFFN = sharedFFN
            self.denseLayers = denseLayers
            self.capacity = capacity
            self.imbalance = imbalance
        }
    }
    public enum Kind: Sendable, Hashable {
        case transformer
        /// ResNet-50 or ResNet-152 on `imageSize` x `imageSize` x 3 pictures (He et al., arXiv:1512.03385).
        case resnet(depth: Int, imageSize: Int)
    }

    public var name: String
    public var kind: Kind = .transformer
    public var layers = 0
    public var hidden = 0
    public var heads = 1
    public var kvHeads = 1
    public var headDim = 0
    public var ffn = 0
    public var activation = Activation.gelu
    public var norm = Norm.layer
    public var positions = Positions.none
    public var vocab = 0
    public var tiedEmbeddings = true
    /// Biases on the linear layers (GPT-2, BERT, OPT); false for the Llama family.
    public var biases = true
    /// A bias on the query, key and value projection only (Qwen2, GPT-OSS).
    public var qkvBias = false
    /// A norm on each head's queries and keys (Qwen3).
    public var qkNorm = false
    public var causal = true
    public var attention = Attention.full
    public var moe: MoE?
    /// Layers that share one copy of their attention block / of the whole block; 1: none.
    public var sharedAttention = 1
    public var sharedBlocks = 1
    /// Multi-token-prediction layers behind the last one (DeepSeek-V3, arXiv:2412.19437 section 2.2).
    public var mtpLayers = 0
    /// BERT: segment table of this many rows, pooler and masked-LM transform.
    public var tokenTypes = 0
    public var pooler = false
    public var maskedLMHead = false
    /// Norm after the embedding (BLOOM, BERT).
    public var embeddingNorm = false
    /// Rows of an output matrix of its own, in place of the vocabulary's (a span classifier has 2); nil: the vocabulary's.
    public var outputs: Int?
    /// Share of the positions that are scored: BERT's pre-training reads 15 % of them off before the output matrix (arXiv:1810.04805 section 3.1).
    public var scoredShare = 1.0
    /// ResNeXt (arXiv:1611.05431): groups of a block's 3 x 3 convolution, and channels of one in the first stage; 1 and 64 make a ResNet.
    public var convolutionGroups = 1
    public var groupWidth = 64
    /// What users call the sequence length it was trained with.
    public var sequence = 0
    /// Where shape and published parameter count come from.
    public var source = ""
    /// Published number of parameters, for the check, where there is one.
    public var publishedParameters: Double?

    /// Shift vectors beside the gains of a layer norm; MPT can do without. RMS norms have none.
    public var normBias = true
    /// Norms of a layer over the hidden width: 2 as a rule, 4 with norms before and after each block (Gemma 2), 1 with parallel blocks (Falcon 7B).
    public var normsPerLayer = 2
    /// Gains of the norms; OLMo's norms have neither gains nor shifts.
    public var normGain = true
    /// The norm of queries and keys spans all heads and has a gain for each element of theirs (OLMo 2, Command R+), not one for a head's.
    public var qkNormOverWidth = false
    /// A bias on the output matrix (Phi-2, GPT-J).
    public var headBias = false
    /// A norm behind the last layer; post-norm models (BERT) have none.
    public var finalNorm = true
    /// A bias on the attention's output projection although the other linear layers have none.
    public var attentionOutputBias = false
    /// A learned logit a head that absorbs attention (GPT-OSS).
    public var attentionSinks = false
    /// Published number of parameters that one token uses, where there is one (MoE).
    public var publishedActive: Double?

    public init(name: String) { self.name = name }

    /// Layers with experts.
    public var moeLayers: Int { moe.map { max(0, layers - $0.denseLayers) } ?? 0 }
}
