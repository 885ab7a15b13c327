/// The three products of training: forward, gradient of the input (B), gradient of the weights (W). Zero-bubble schedules part B and W.
public enum Pass: Int, Sendable, Hashable, CaseIterable { case forward, inputGradient, weightGradient }

/// Which part of the model an op belongs to; breakdowns and per-part constants group by it.
public enum Part: String, Sendable, Hashable, CaseIterable {
    case attention, projection, mlp, router, experts, elementwise, embedding, head, loss, convolution
}

/// out[m, n] += a[m, k] x b[k, n]; `count` such products of equal shape in one or `count` kernels.
public struct GEMM: Sendable, Hashable {
    public var m: Int
    public var n: Int
    public var k: Int
    public var count: Int
    /// All `count` products run as one grouped kernel (experts).
    public var grouped: Bool
    /// May run in 8 or 4 bits where the recipe asks for it (linear layers yes; router, head and convolutions no).
    public var lowPrecision: Bool
    public init(m: Int, n: Int, k: Int, count: Int = 1, grouped: Bool = false, lowPrecision: Bool = true) {
        self.m = m
        self.n = n
        self.k = k
        self.count = count
        self.grouped = grouped
        self.lowPrecision = lowPrecision
    }
    public var flops: Double { 2 * Double(m) * Double(n) * Double(k) * Double(count) }
}

/// softmax(q k^T) v per sequence and head. How it is computed (fused or as two products and a softmax) is the software stack's choice.
public struct AttentionCore: Sendable, Hashable {
    public var batch: Int
    /// Query heads on this rank.
    public var heads: Int
    public var kvHeads: Int
    public var queries: Int
    /// Keys that a query may see, before causal masking.
    public var keys: Int
    public var headDim: Int
    public var valueDim: Int
    public var causal: Bool
    /// Share of the queries x keys rectangle that a kernel which skips masked blocks computes: 1/2 causal, less with a window.
    public var visible: Double
    public init(batch: Int, heads: Int, kvHeads: Int, queries: Int, keys: Int, headDim: Int, valueDim: Int, causal: Bool, visible: Double) {
        self.batch = batch
        self.heads = heads
        self.kvHeads = kvHeads
        self.queries = queries
        self.keys = keys
        self.headDim = headDim
        self.valueDim = valueDim
        self.causal = causal
        self.visible = visible
    }
    /// FLOPs of the forward pass over the whole rectangle (Megatron's convention).
    public var fullFLOPs: Double { 2 * scores * Double(headDim + valueDim) }
    /// Elements of the score matrix, all heads.
    public var scores: Double { Double(batch) * Double(heads) * Double(queries) * Double(keys) }
}

/// A kernel or a chain of fused kernels bound by memory traffic.
public struct MemoryPass: Sendable, Hashable {
    /// Bytes read plus written once each, before any fusion factor.
    public var bytes: Double
    /// Length of the rows that a norm or a softmax reduces over; 0 for elementwise.
    public var rowLength: Int
    public init(bytes: Double, rowLength: Int = 0) {
        self.bytes = bytes
        self.rowLength = rowLength
    }
}

/// The parallel groups that a layer's communication runs in.
public enum GroupKind: String, Sendable, Hashable, CaseIterable {
    case tensor, context, expert
    /// One row and one column of the tensor group's grid.
    case tensorRow, tensorColumn
}

public enum CollectiveKind: String, Sendable, Hashable, CaseIterable, Codable {
    case allReduce, reduceScatter, allGather, allToAll, broadcast, sendReceive
}

/// A collective inside a layer. `bytes` is the full buffer: what every rank ends with (all-gather, all-reduce), starts with (reduce-scatter) or sends in total (all-to-all, send).
public struct Communication: Sendable, Hashable {
    public var kind: CollectiveKind
    public var group: GroupKind
    public var bytes: Double
    public init(kind: CollectiveKind, group: GroupKind, bytes: Double) {
        self.kind = kind
        self.group = group
        self.bytes = bytes
    }
}

/// One operation of one rank, with its shape after sharding.
public struct Op: Sendable, Hashable {
    public enum Work: Sendable, Hashable {
        case gemm(GEMM)
        case attention(AttentionCore)
        case memory(MemoryPass)
        case communication(Communication)
    }
    /// What an op is, as far as recomputation tells ops of a part apart.
    public enum Role: Sendable, Hashable, CaseIterable {
        case other, norm
        /// Queries, keys or values made from a latent, and their rotation.
        case latentUp, rotary
        case activation
    }
    /// For people; nothing is decided by it.
    public var name: String
    public var part: Part
    public var pass: Pass
    public var work: Work
    public var role: Role
    /// Kernel launches of an unfused eager framework.
    public var kernels: Int
    public init(_ name: String, _ part: Part, _ pass: Pass, _ work: Work, role: Role = .other, kernels: Int = 1) {
        self.name = name
        self.part = part
        self.pass = pass
        self.work = work
        self.role = role
        self.kernels = kernels
    }
}

/// How one micro-batch is cut over the ranks of a model-parallel group.
public struct Sharding: Sendable, Hashable {
    public var microBatch = 1
    public var sequence = 1
    public var tensor = 1
    /// Norms and residuals are split over the tensor group, and its all-reduces become reduce-scatter + all-gather (arXiv:2205.05198).
    public var sequenceParallel = false
    public var context = 1
    public var expert = 1
    public var expertTensor = 1
    /// Bytes of one activation element on the wire and in memory (2 for 16-bit training).
    public var activationBytes = 2.0
    /// The tensor group is `gridDepth` square grids of this edge; 0: it cuts by columns and rows.
    public var grid = 0
    public var gridDepth = 1
    /// Context ranks exchange sequence for heads instead of passing keys and values round.
    public var contextByHeads = false
    /// Causal masks leave every context rank the same work.
    public var contextBalanced = true
    /// Bytes of an element on its way to an expert, scales included; nil: `activationBytes`.
    public var dispatchBytes: Double?
    public init() {}
    /// Tokens of a micro-batch that one context rank holds.
    public var tokens: Int { clampedProduct(microBatch, sequence) / max(1, context) }
}
