import Engine
import Quantities

/// Flows that will begin to drain, by time. Flows are issued as time goes on and wait for one of few latencies, so that most come in the order of one of few
/// lanes: they are appended to the first lane whose last is not later. What fits none of them waits in a queue for any order.
struct StartQueue: ~Copyable {
    struct Start: BitwiseCopyable {
        var time: Double
        var slot: Int32
    }
    private static let most = 8
    private var lanes = ListPool<Start>(lists: most)
    /// [lanes] starts of the lane that have been taken, and the time of its last.
    private var taken = Column<Int>(count: most, repeating: 0)
    private var last = Column<Double>(count: most, repeating: -.infinity)
    private var used = 0
    private var others = EventQueue<Int32>()
    /// Seconds, infinity when there is none.
    private(set) var nextTime = Double.infinity
    /// `most` stands for the queue of the others.
    private var nextLane = 0

    mutating func push(at time: Double, _ slot: Int32) {
        var lane = 0
        while lane < used, last[lane] > time { lane &+= 1 }
        if lane == Self.most {
            others.schedule(at: instant(time), slot)
        } else {
            if lane == used { used &+= 1 }
            last[lane] = time
            _ = lanes.append(Start(time: time, slot: slot), to: lane)
        }
        if time < nextTime {
            nextTime = time
            nextLane = lane
        }
    }

    mutating func pop() -> (time: Double, slot: Int32)? {
        guard nextTime < .infinity else { return nil }
        let time = nextTime
        var slot: Int32 = -1
        if nextLane == Self.most {
            if let next = others.pop() { slot = next.payload }
        } else {
            let list = lanes.elements(nextLane)
            let place = taken[nextLane]
            slot = list[place].slot
            taken[nextLane] = place &+ 1
            if place &+ 1 == list.count {
                lanes.removeAll(nextLane)
                taken[nextLane] = 0
                last[nextLane] = -.infinity
            } else if place >= 4096, place &* 2 > list.count {
                lanes.removeFirst(place &+ 1, from: nextLane)
                taken[nextLane] = 0
            }
        }
        findNext()
        return (time, slot)
    }

    @inline(__always)
    private mutating func findNext() {
        nextTime = .infinity
        for lane in 0..<used {
            let list = lanes.elements(lane)
            let place = taken[lane]
            guard place < list.count, list[place].time < nextTime else { continue }
            nextTime = list[place].time
            nextLane = lane
        }
        if used == Self.most, let time = others.nextTime, seconds(time) < nextTime {
            nextTime = seconds(time)
            nextLane = Self.most
        }
    }
}

/// Non-negative Doubles and their bit patterns have the same order, so that a queue of whole numbers orders seconds exactly.
func instant(_ seconds: Double) -> Instant { Instant(nanoseconds: Int64(bitPattern: (seconds + 0).bitPattern)) }
func seconds(_ instant: Instant?) -> Double { instant.map { Double(bitPattern: UInt64(bitPattern: $0.nanoseconds)) } ?? .infinity }
