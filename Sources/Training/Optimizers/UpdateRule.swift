/// One method of turning a gradient into a step, for one tensor at a time. A method is one type in one file; `Optimizer` does the rest.
public protocol UpdateRule<Scalar>: Sendable {
    associatedtype Scalar: TrainingScalar
    var name: String { get }

    /// The state kept for a tensor of `shape`, in the order of `TensorState.real`.
    func slots(for shape: [Int]) -> [SlotLayout]

    /// State kept in one byte an element, in the order of `TensorState.coded`.
    func codedSlots(for shape: [Int]) -> [SlotLayout]

    /// State may be split between elements at multiples of this; nil where only whole tensors can be given away.
    var shardGranularity: Int? { get }

    /// Advances `parameter` and `state` by one step. `gradient` has as many elements as `parameter`.
    func update(_ parameter: inout Tensor<Scalar>, gradient: [Scalar], state: inout TensorState<Scalar>, at point: StepPoint)

    /// Arithmetic and memory traffic of one update of a tensor of `shape`.
    func cost(for shape: [Int]) -> StepCost
}

extension UpdateRule {
    public func codedSlots(for shape: [Int]) -> [SlotLayout] { [] }
    public var shardGranularity: Int? { 1 }

    /// Bytes of state for a tensor of `shape`.
    public func stateBytes(for shape: [Int]) -> Int {
        let n = shape.reduce(1, *)
        let real = slots(for: shape).reduce(0) { $0 + $1.length(n) }
        return real * MemoryLayout<Scalar>.size + codedSlots(for: shape).reduce(0) { $0 + $1.length(n) }
    }

    /// Bytes of state a parameter, for a tensor of `shape`.
    public func stateBytesPerParameter(for shape: [Int]) -> Double {
        Double(stateBytes(for: shape)) / Double(max(1, shape.reduce(1, *)))
    }

    /// A cost of `flops` and `transfers` reads and writes an element.
    func elementwise(_ shape: [Int], flops: Double, transfers: Double) -> StepCost {
        let n = Double(shape.reduce(1, *))
        return StepCost(flops: n * flops, bytes: n * transfers * Double(MemoryLayout<Scalar>.size))
    }
}

/// How a slot of state follows the elements of its tensor.
public enum SlotLayout: Equatable, Sendable {
    /// One entry an element.
    case elements
    /// One entry for so many elements.
    case blocks(of: Int)
    /// So many entries, whatever the tensor's size.
    case fixed(Int)

    func length(_ n: Int) -> Int {
        switch self {
        case .elements: n
        case .blocks(let size): n == 0 ? 0 : (n - 1) / size + 1
        case .fixed(let count): count
        }
    }
}

/// What a rule keeps for one tensor: `real` [slot][entry] and `coded` [slot][entry].
public struct TensorState<Scalar: TrainingScalar>: Equatable, Sendable {
    /// [slots][entries] kept as numbers, and as codes of a byte.
    public var real: [[Scalar]]
    public var coded: [[UInt8]]
}

/// Where training stands when a step is taken.
public struct StepPoint: Sendable {
    /// 1 for the first.
    public var step: Int
    public var rate: Double
    /// From 0 at the start to 1 at the end.
    public var progress: Double

    public init(step: Int, rate: Double, progress: Double = 0) {
        self.step = step
        self.rate = rate
        self.progress = progress
    }
}

/// Floating-point operations, and bytes read plus written in main memory.
public struct StepCost: Equatable, Sendable {
    /// Operations, and bytes read plus written.
    public var flops: Double
    public var bytes: Double
    /// Of the operations, those of matrix products, which an accelerator does at another speed.
    public var productFLOPs: Double
    public static let zero = StepCost(flops: 0, bytes: 0)
    public init(flops: Double, bytes: Double, productFLOPs: Double = 0) {
        self.flops = flops
        self.bytes = bytes
        self.productFLOPs = productFLOPs
    }
    public static func + (a: StepCost, b: StepCost) -> StepCost {
        StepCost(flops: a.flops + b.flops, bytes: a.bytes + b.bytes, productFLOPs: a.productFLOPs + b.productFLOPs)
    }
}
