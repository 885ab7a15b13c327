/// What a second of the step is spent on. Categories of the result's `breakdown_s`, in its order.
public enum Activity: String, Sendable, Hashable, Codable, CaseIterable, CodingKeyRepresentable {
    case forward, backward, recompute, optimizer
    case tensorComm = "tensor_comm"
    case sequenceComm = "sequence_comm"
    case contextComm = "context_comm"
    case expertComm = "expert_comm"
    case pipelineComm = "pipeline_comm"
    case dataComm = "data_comm"
    /// Gradients and parameters on their way to and from the host.
    case offloadComm = "offload_comm"
    case bubble
    case stragglerWait = "straggler_wait"
    case inputStall = "input_stall"
    case launch, other
}

/// Seconds by activity; adds and scales like a number.
public struct ActivitySeconds: Sendable, Hashable {
    // Wider than the activities there are; a test holds that each has a lane of its own.
    private var lanes = SIMD32<Double>.zero
    static let capacity = SIMD32<Double>.scalarCount
    public init() {}
    public init(_ activity: Activity, _ seconds: Double) { self[activity] = seconds }

    public subscript(activity: Activity) -> Double {
        get { lanes[activity.lane] }
        set { lanes[activity.lane] = newValue }
    }
    public var total: Double { lanes.sum() }
    public static func + (a: Self, b: Self) -> Self {
        var sum = a
        sum.lanes += b.lanes
        return sum
    }
    public static func += (a: inout Self, b: Self) { a.lanes += b.lanes }
    public static func * (a: Self, factor: Double) -> Self {
        var product = a
        product.lanes *= factor
        return product
    }
}

extension Activity {
    /// Position in `ActivitySeconds`.
    var lane: Int {
        switch self {
        case .forward: 0
        case .backward: 1
        case .recompute: 2
        case .optimizer: 3
        case .tensorComm: 4
        case .sequenceComm: 5
        case .contextComm: 6
        case .expertComm: 7
        case .pipelineComm: 8
        case .dataComm: 9
        case .offloadComm: 10
        case .bubble: 11
        case .stragglerWait: 12
        case .inputStall: 13
        case .launch: 14
        case .other: 15
        }
    }
}
