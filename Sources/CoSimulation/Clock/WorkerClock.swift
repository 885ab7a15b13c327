import Compression

/// Seconds of everything that workers do, handed in by the caller: of a target job, or of a thought experiment.
public struct WorkerClock: Sendable {
    public struct Slow: Sendable, Equatable {
        public var worker: Int
        /// Its gradients take so many times as long.
        public var factor: Double
        /// From this second on.
        public var from: Double
        public init(worker: Int, factor: Double, from: Double = 0) {
            self.worker = worker
            self.factor = factor
            self.from = from
        }
    }
    /// Forward and backward pass of one batch.
    public var service: Service
    /// Seconds by which a gradient grows for each even load more on the busiest expert, and the load that `service` has in it already.
    public var experts: (seconds: Double, load: Double) = (0, 1)
    public var slow: [Slow]
    /// Seconds until all `workers` have the sum of their messages of `bytes` each.
    public var exchange: @Sendable (_ method: ExchangeMethod, _ bytes: Double, _ workers: Int) -> Double
    /// Seconds of a message between one worker and the shared parameters.
    public var transfer: @Sendable (_ bytes: Double) -> Double
    /// Seconds of the exchange between the members of a group that stays in step.
    public var groupExchange: @Sendable (_ bytes: Double, _ members: Int) -> Double
    /// Part of the exchange's seconds that runs beside the backward pass of a synchronous step, at most.
    public var hidden: Double
    public var update: Double
    /// Of a worker's message; decoding for so many workers' messages.
    public var encode: Double
    public var decode: @Sendable (_ workers: Int) -> Double
    /// Seconds a step that waits for its data.
    public var stall: Double
    public var usdPerSecond: Double
    public var watts: Double

    /// Gradients take what `service` draws, and nothing else takes any time.
    public init(service: Service = Service(), slow: [Slow] = []) {
        self.service = service
        self.slow = slow
        exchange = { _, _, _ in 0 }
        transfer = { _ in 0 }
        groupExchange = { _, _ in 0 }
        hidden = 0
        update = 0
        encode = 0
        decode = { _ in 0 }
        stall = 0
        usdPerSecond = 0
        watts = 0
    }

    /// Nanoseconds of a worker's gradient number `number`, of `share` of its usual batch, begun at `now` nanoseconds.
    /// - Parameter imbalance: load of the busiest expert over the mean; nil without experts.
    func gradient(seed: UInt64, worker: Int, number: Int, share: Double, imbalance: Double?, now: Int64) -> Int64 {
        var seconds = service.seconds(seed: seed, worker: worker, number: number) * share
        // What waits for the busiest expert: its products, and the all-to-all that carries its tokens.
        if let imbalance { seconds = max(0, seconds + experts.seconds * (imbalance - experts.load) * share) }
        if !slow.isEmpty {
            let start = Double(now) * 1e-9
            for slow in slow where slow.worker == worker && slow.from <= start { seconds *= slow.factor }
        }
        return nanoseconds(seconds)
    }
}

/// Whole nanoseconds, as the simulated clock counts them; what is beyond the clock is its end (146 years, so that sums stay within it).
func nanoseconds(_ seconds: Double) -> Int64 { seconds > 0 ? Int64(min(seconds * 1e9, 4.6e18).rounded()) : 0 }
