/// Time of one pass of one micro-batch over a piece of the model on one rank, by what it is spent on.
public struct PassCost: Sendable, Hashable {
    /// Seconds on the rank's compute stream; exposed communication included.
    public var seconds = ActivitySeconds()
    /// Seconds of communication hidden behind the above.
    public var overlapped = 0.0
    /// Sum over kernels of seconds squared: independent jitter of each kernel adds up to this variance times the squared coefficient.
    public var squares = 0.0
    /// Kernel seconds whose constants measured kernels determine.
    public var interpolated = 0.0
    /// Seconds of kernels that were timed on this device at this shape.
    public var measured = 0.0
    /// FLOPs executed, masked attention halves left out.
    public var flops = 0.0
    public init() {}
    public var total: Double { seconds.total }

    public static func += (a: inout Self, b: Self) {
        a.seconds += b.seconds
        a.overlapped += b.overlapped
        a.squares += b.squares
        a.interpolated += b.interpolated
        a.measured += b.measured
        a.flops += b.flops
    }
    public static func * (a: Self, factor: Double) -> Self {
        var product = a
        product.seconds = a.seconds * factor
        product.overlapped *= factor
        product.squares *= factor
        product.interpolated *= factor
        product.measured *= factor
        product.flops *= factor
        return product
    }
}

/// Times of one layer (or the embedding, or the head) for one micro-batch on one rank, before launch costs, which depend on how many stand in a row.
struct LayerCost: Sendable {
    var forward = PassCost()
    /// Gradient of the input, with its communication.
    var backward = PassCost()
    var weight = PassCost()
    /// What is computed again in the backward pass.
    var recompute = PassCost()
    var forwardKernels = 0.0
    var backwardKernels = 0.0
    var weightKernels = 0.0
    var recomputeKernels = 0.0
    /// Attention core of the forward pass, compute seconds, squares and FLOPs.
    var core = PassCost()
    /// Grouped products of the forward pass.
    var grouped = PassCost()
    /// Memory-bound kernels of the forward pass, and gathers over the tensor group.
    var elementwise = PassCost()
}
