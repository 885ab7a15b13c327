/// What the instructions of a schedule cost. Times in seconds (or any one unit), one entry per virtual stage, first layers first.
public struct ScheduleCosts: Sendable, Hashable, Codable {
    /// F of one micro-batch, [virtual stages].
    public var forward: [Double]
    /// B: gradient of the input alone, [virtual stages].
    public var backward: [Double]
    /// W: gradient of the weights, [virtual stages]. A schedule that does not part W from B charges both to B.
    public var weight: [Double]
    /// Time between the end of an instruction and the arrival of its result on another rank.
    public var communication: Double
    /// Activations that one F keeps until its backward, [virtual stages], in any one unit of memory.
    public var memory: [Double]
    /// Share of those activations that B frees; W frees the rest.
    public var backwardFrees = 0.5
    /// Most activations that a rank may hold, in the unit of `memory`; nil: what the schedule's own rule says.
    public var memoryLimit: Double?
    /// Time of an F and a backward that run as one overlapped pair (DualPipe), as a share of their sum.
    public var overlap = 1.0

    /// - Parameters:
    ///   - forward: seconds of F, [virtual stages]; likewise `backward` for B and `weight` for W
    ///   - communication: seconds of a hop
    ///   - memory: activations of one F, [virtual stages]; nil: 1 each
    public init(forward: [Double], backward: [Double], weight: [Double], communication: Double = 0, memory: [Double]? = nil) {
        self.forward = forward
        self.backward = backward
        self.weight = weight
        self.communication = communication
        self.memory = memory ?? Array(repeating: 1, count: forward.count)
    }

    /// The same times on every virtual stage.
    public static func uniform(
        virtualStages: Int, forward: Double = 1, backward: Double = 1, weight: Double = 1, communication: Double = 0
    ) -> ScheduleCosts {
        func all(_ value: Double) -> [Double] { Array(repeating: value, count: max(0, virtualStages)) }
        return ScheduleCosts(forward: all(forward), backward: all(backward), weight: all(weight), communication: communication)
    }

    /// - Throws: `ScheduleError` unless every list has one finite entry, zero or more, per virtual stage.
    public func check(virtualStages: Int) throws(ScheduleError) {
        for (name, list) in [("forward", forward), ("backward", backward), ("weight", weight), ("memory", memory)] {
            guard list.count == virtualStages else {
                throw ScheduleError(
                    "costs: \(name) has \(list.count) entries; the schedule has \(virtualStages) virtual stages, each needs one")
            }
            for (stage, value) in list.enumerated() where !(value.isFinite && value >= 0) {
                throw ScheduleError("costs: \(name)[\(stage)] is \(value); it must be a finite number, zero or more")
            }
        }
        guard communication.isFinite, communication >= 0 else {
            throw ScheduleError("costs: communication is \(communication); it must be a finite number, zero or more")
        }
        guard backwardFrees >= 0, backwardFrees <= 1 else {
            throw ScheduleError("costs: backwardFrees is \(backwardFrees); it is a share from 0 to 1")
        }
        guard overlap.isFinite, overlap > 0 else {
            throw ScheduleError("costs: overlap is \(overlap); it is a share above 0, 1 for no gain")
        }
        if let memoryLimit, !(memoryLimit > 0) {
            throw ScheduleError("costs: memoryLimit is \(memoryLimit); it must be above 0")
        }
    }
}
