import Quantities

/// Why an event cannot be scheduled.
public enum SimulatorError: Error, Hashable, Sendable, CustomStringConvertible {
    case inThePast(at: Instant, now: Instant)
    case beyondTheClock(now: Instant, delay: Duration)

    public var description: String {
        switch self {
        case .inThePast(let at, let now):
            "an event \(at) cannot be scheduled at the time \(now.seconds) s: events happen at or after the present"
        case .beyondTheClock(let now, let delay):
            "\(delay) after \(now.seconds) s is beyond the 292 years that the clock holds"
        }
    }
}

/// A virtual clock and the events to come, for what decides at run time: contention, asynchronous updates, failures.
///
/// An action receives the simulator, reads `now` and schedules what follows; the state that it changes is the caller's.
/// The clock jumps from event to event and never goes back.
public struct Simulator: ~Copyable {
    public typealias Action = (inout Simulator) throws -> Void

    public private(set) var now: Instant
    /// Events that have happened.
    public private(set) var processed = 0
    private var queue = EventQueue<Action>()

    public init(start: Instant = .start) { now = start }

    public var pending: Int { queue.count }
    public var nextTime: Instant? { queue.nextTime }

    /// - Throws: `SimulatorError` when `time` has passed.
    @discardableResult
    public mutating func schedule(
        at time: Instant, priority: Int = 0, _ action: @escaping Action
    ) throws(SimulatorError) -> EventHandle {
        guard time >= now else { throw .inThePast(at: time, now: now) }
        return queue.schedule(at: time, priority: priority, action)
    }

    /// - Throws: `SimulatorError` when `delay` is negative or leads beyond the end of the clock.
    @discardableResult
    public mutating func schedule(
        after delay: Duration, priority: Int = 0, _ action: @escaping Action
    ) throws(SimulatorError) -> EventHandle {
        guard let time = try? now.advanced(by: delay) else { throw .beyondTheClock(now: now, delay: delay) }
        return try schedule(at: time, priority: priority, action)
    }

    /// False when the event has happened or was cancelled before.
    @discardableResult
    public mutating func cancel(_ handle: EventHandle) -> Bool { queue.cancel(handle) }

    /// Lets events happen until none is left, or, with `end`, none up to and including `end`; the clock then stands at `end`.
    /// - Throws: what an action throws; the events after it stay scheduled.
    public mutating func run(until end: Instant? = nil) throws {
        while let next = queue.nextTime, end.map({ next <= $0 }) ?? true {
            guard let (time, action) = queue.pop() else { break }
            now = time
            processed += 1
            try action(&self)
        }
        if let end, end > now { now = end }
    }
}
