import Quantities
import Testing

@testable import Engine

/// The order that every test compares with: a plain sorted array of (time, priority, sequence).
private struct Expected: Comparable {
    var time: Int64
    var priority: Int
    var sequence: Int
    static func < (a: Expected, b: Expected) -> Bool { (a.time, a.priority, a.sequence) < (b.time, b.priority, b.sequence) }
}

@Suite struct EventQueueTests {
    @Test func simultaneousEventsComeByPriorityThenInTheOrderOfScheduling() {
        // at 5: c (priority -1), a, b (priority 0, in order), d (priority 3); before them e at -2.
        var queue = EventQueue<String>()
        queue.schedule(at: Instant(nanoseconds: 5), "a")
        queue.schedule(at: Instant(nanoseconds: 5), priority: 3, "d")
        queue.schedule(at: Instant(nanoseconds: 5), "b")
        queue.schedule(at: Instant(nanoseconds: 5), priority: -1, "c")
        queue.schedule(at: Instant(nanoseconds: -2), priority: 9, "e")
        let first = queue.nextTime
        #expect(first == Instant(nanoseconds: -2))
        var order = ""
        while let (_, name) = queue.pop() { order += name }
        #expect(order == "ecabd")
        let (isEmpty, nextTime) = (queue.isEmpty, queue.nextTime)
        #expect(isEmpty && nextTime == nil)
    }

    /// Increments that make a queue's buckets or branches degenerate.
    enum Increments: CaseIterable {
        case equal, zero, bimodal, decreasing, random, clustered, extreme
        func draw(_ step: Int, _ random: inout RandomStream) -> Int64 {
            switch self {
            case .equal: 7
            case .zero: 0
            case .bimodal: random.uniform() < 0.5 ? 1 : 1_000_000_000
            case .decreasing: Int64(max(0, 100_000 - step))
            case .random: Int64(random.exponential(mean: 1000))
            // Nine in ten within the next moment, the rest spread over ten decades.
            case .clustered:
                random.uniform() < 0.9 ? Int64(random.next() % 50) : Int64(random.exponential(mean: 20)) << (random.next() % 33)
            case .extreme: random.uniform() < 0.5 ? 0 : Int64.max / 1_000_000
            }
        }
    }

    @Test(arguments: Increments.allCases)
    func agreesWithASortedArrayUnderScheduleCancelAndPop(_ increments: Increments) {
        var random = RandomStream(seed: 11, purpose: "queue test")
        var queue = EventQueue<Int>(capacity: 4, sequenceLimit: 500)  // renumbers many times
        var oracle: [Expected] = []
        var handles: [Int: EventHandle] = [:]
        var now: Int64 = 0
        var popped = 0
        for step in 0..<6000 {
            let choice = random.uniform()
            if choice < 0.5 || oracle.isEmpty {
                let event = Expected(time: now + increments.draw(step, &random), priority: Int(random.next() % 5) - 2, sequence: step)
                handles[step] = queue.schedule(at: Instant(nanoseconds: event.time), priority: event.priority, step)
                let place = oracle.firstIndex { event < $0 } ?? oracle.count
                oracle.insert(event, at: place)
            } else if choice < 0.7 {
                let victim = oracle.remove(at: Int(random.next() % UInt64(oracle.count)))
                guard let handle = handles[victim.sequence] else { continue }
                let (cancelled, again) = (queue.cancel(handle), queue.cancel(handle))
                #expect(cancelled && !again)
            } else if let next = queue.pop() {
                let expected = oracle.removeFirst()
                #expect(next.payload == expected.sequence && next.time.nanoseconds == expected.time)
                if let handle = handles[expected.sequence] {
                    let cancelled = queue.cancel(handle)
                    #expect(!cancelled)
                }
                now = expected.time
                popped += 1
            }
            let (count, nextTime) = (queue.count, queue.nextTime)
            #expect(count == oracle.count && nextTime?.nanoseconds == oracle.first?.time)
            if step % 37 == 0 {
                let broken = queue.ladder.brokenInvariant()
                #expect(broken == nil)
            }
        }
        #expect(popped > 1500)
        while let next = queue.pop() { #expect(next.payload == oracle.removeFirst().sequence) }
        #expect(oracle.isEmpty)
    }

    /// Many events at once, so that every step of the ladder is taken: the order is that of a heap, which knows nothing of rungs.
    @Test(arguments: Increments.allCases)
    func manyPendingEventsComeInTheOrderOfAHeap(_ increments: Increments) {
        var random = RandomStream(seed: 12, purpose: "queue test")
        var ladder = Ladder(capacity: 16)
        var heap = PackedHeap()
        var sequence: UInt64 = 0
        func key(_ from: Int64) -> UInt128 {
            sequence += 1
            let time = Instant(nanoseconds: from + increments.draw(Int(sequence), &random))
            return EventKey.make(time: time, priority: Int(random.next() % 3), sequence: sequence, slot: 0)
        }
        // 5,000 at first, then exchanged one by one, then many for each one taken, then all.
        for round in 0..<20_000 {
            var adds = round < 5000 ? 1 : round < 15_000 ? 1 : random.uniform() < 0.01 ? 150 : 0
            var now: Int64 = 0
            if round >= 5000 {
                let (found, expected) = (ladder.pop(), heap.pop())
                #expect(found == expected)
                guard let found else { break }
                now = EventKey.time(found).nanoseconds
            }
            while adds > 0 {
                adds -= 1
                let new = key(now)
                ladder.push(new)
                heap.push(new)
            }
            if round % 701 == 0 {
                let broken = ladder.brokenInvariant()
                #expect(broken == nil)
            }
        }
        while let expected = heap.pop() {
            let found = ladder.pop()
            #expect(found == expected)
        }
        let (rest, count) = (ladder.pop(), ladder.count)
        #expect(rest == nil && count == 0)
    }

    @Test func timesAtBothEndsOfTheClockKeepTheirOrder() {
        // 300 events each at the first, the middle and the last instants of the clock, scheduled in turns.
        var queue = EventQueue<Int>()
        for index in 0..<300 {
            for base in [Int64.min, -150, Int64.max - 299] {
                queue.schedule(at: Instant(nanoseconds: base + Int64((index * 7) % 300)), index)
            }
            let broken = queue.ladder.brokenInvariant()
            #expect(broken == nil)
        }
        var times: [Int64] = []
        while let (time, _) = queue.pop() { times.append(time.nanoseconds) }
        #expect(times.count == 900 && times == times.sorted() && times.first == .min && times.last == .max)
    }

    /// Each key moves from the top over some rungs to the bottom: a handful of moves, however the times lie. Square growth would be thousands.
    @Test(arguments: Increments.allCases)
    func noIncrementMakesTheQueueDegenerate(_ increments: Increments) {
        for waiting in [500, 30_000] {
            var random = RandomStream(seed: 13, purpose: "queue test")
            var ladder = Ladder(capacity: 16)
            for sequence in 0..<waiting * 3 {
                var now: Int64 = 0
                if sequence >= waiting, let key = ladder.pop() { now = EventKey.time(key).nanoseconds }
                let time = Instant(nanoseconds: now + increments.draw(sequence, &random))
                ladder.push(EventKey.make(time: time, priority: 0, sequence: UInt64(sequence), slot: 0))
            }
            let movesEach = Double(ladder.moved) / Double(waiting * 3)
            #expect(movesEach < 6, "\(waiting) waiting")
        }
    }

    @Test func cancellingAlmostEverythingLeavesTheRest() {
        // 10,000 events, all but every hundredth cancelled: 100 are left, in ascending order.
        var queue = EventQueue<Int>()
        let handles = (0..<10_000).map { queue.schedule(at: Instant(nanoseconds: Int64(($0 * 7919) % 10_000)), $0) }
        for (index, handle) in handles.enumerated() where index % 100 != 0 { queue.cancel(handle) }
        let left = queue.count
        #expect(left == 100)
        var times: [Int64] = []
        while let (time, _) = queue.pop() { times.append(time.nanoseconds) }
        #expect(times.count == 100 && times == times.sorted())
    }

    @Test func prioritiesOutsideTheRangeAreClamped() {
        var queue = EventQueue<Int>()
        queue.schedule(at: .start, priority: .max, 2)
        queue.schedule(at: .start, priority: .min, 1)
        let order = [queue.pop()?.payload, queue.pop()?.payload]
        #expect(order == [1, 2])
    }

    @Test func payloadsAreReleased() {
        final class Token {}
        weak var watched: Token?
        var queue = EventQueue<Token>()
        do {
            let token = Token()
            watched = token
            queue.schedule(at: .start, token)
        }
        #expect(watched != nil)
        _ = queue.pop()
        #expect(watched == nil)
    }
}

@Suite struct SimulatorTests {
    @Test func clockJumpsFromEventToEventAndStopsAtTheEnd() throws {
        // ticks at 0, 10, 20, ... 50 until 55; the next one (60) stays.
        final class Log { var times: [Int64] = [] }
        let log = Log()
        @Sendable func tick(_ simulator: inout Simulator, _ log: Log) throws {
            log.times.append(simulator.now.nanoseconds)
            try simulator.schedule(after: Duration(nanoseconds: 10)) { try tick(&$0, log) }
        }
        var simulator = Simulator()
        try simulator.schedule(at: .start) { try tick(&$0, log) }
        try simulator.run(until: Instant(nanoseconds: 55))
        #expect(log.times == [0, 10, 20, 30, 40, 50])
        let (now, next) = (simulator.now.nanoseconds, simulator.nextTime?.nanoseconds)
        #expect(now == 55 && next == 60)
        let (pending, processed) = (simulator.pending, simulator.processed)
        #expect(pending == 1 && processed == 6)
    }

    @Test func eventsScheduledForNowRunAfterThoseAlreadyWaiting() throws {
        final class Log { var names = "" }
        let log = Log()
        var simulator = Simulator()
        try simulator.schedule(at: .start) { simulator in
            log.names += "a"
            try simulator.schedule(after: .zero) { _ in log.names += "c" }
        }
        try simulator.schedule(at: .start) { _ in log.names += "b" }
        try simulator.run()
        #expect(log.names == "abc")
    }

    @Test func thePastAndTheEndOfTheClockAreErrors() throws {
        var simulator = Simulator(start: Instant(nanoseconds: 100))
        #expect(throws: SimulatorError.inThePast(at: Instant(nanoseconds: 99), now: Instant(nanoseconds: 100))) {
            try simulator.schedule(at: Instant(nanoseconds: 99)) { _ in }
        }
        #expect(throws: SimulatorError.beyondTheClock(now: Instant(nanoseconds: 100), delay: Duration(nanoseconds: .max))) {
            try simulator.schedule(after: Duration(nanoseconds: .max)) { _ in }
        }
        #expect(throws: SimulatorError.self) { try simulator.schedule(after: Duration(nanoseconds: -1)) { _ in } }
    }

    @Test func anErrorOfAnActionEndsTheRunAndKeepsTheRest() throws {
        struct Broken: Error {}
        var simulator = Simulator()
        try simulator.schedule(at: Instant(nanoseconds: 1)) { _ in throw Broken() }
        try simulator.schedule(at: Instant(nanoseconds: 2)) { _ in }
        #expect(throws: Broken.self) { try simulator.run() }
        let (pending, now) = (simulator.pending, simulator.now)
        #expect(pending == 1 && now == Instant(nanoseconds: 1))
    }

    @Test func cancelledEventsDoNotHappen() throws {
        var simulator = Simulator()
        let handle = try simulator.schedule(at: Instant(nanoseconds: 3)) { _ in Issue.record("cancelled event happened") }
        let cancelled = simulator.cancel(handle)
        try simulator.run()
        let processed = simulator.processed
        #expect(cancelled && processed == 0)
    }
}
