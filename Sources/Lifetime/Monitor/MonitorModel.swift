import Engine

/// What watches a run, as a scenario says it.
public struct MonitorSpec: Sendable, Hashable {
    public enum Detector: String, Sendable, Hashable, Codable, CaseIterable {
        case cusum, ewma, distance
        case changePoint = "change_point"
    }
    public enum Reaction: String, Sendable, Hashable, Codable, CaseIterable {
        /// Somebody looks; training goes on.
        case alert
        /// The machine is replaced at once, so a false alarm costs a restart.
        case replace
    }
    /// Each has an equal part of the budget of false alarms.
    public var detectors: [Detector] = [.cusum]
    /// Names of metrics that are watched on every GPU; empty: all.
    public var metrics: [String] = []
    /// Seconds between two samples.
    public var period = 1.0
    public var falseAlarmsPerDay = 0.2
    /// Standard deviation of a healthy sample over its mean, and its tails.
    public var jitter = 0.02
    public var tails = Jitter.gaussian
    public var reaction = Reaction.alert
    public init() {}
}

/// How soon a monitor sees a change, and how often it cries for nothing.
///
/// Thresholds come from Markov chains, delays from short windows round onsets: days of healthy streams are never simulated. Streams are compared with
/// their peers at the same moment, so that what all machines share raises no alarm.
public struct MonitorModel: Sendable {
    public let spec: MonitorSpec
    /// Metrics x GPUs.
    public let streams: Int
    public let gpus: Int
    public let detector: DetectorSet

    /// Delays from the onset to the alarm, seconds, and the share of onsets that is not seen within `MonitorModel.patience`.
    public struct Delays: Sendable, Hashable {
        public var seconds: [Double]
        public var missed: Double
        public var mean: Double { seconds.isEmpty ? .infinity : seconds.reduce(0, +) / Double(seconds.count) }
        public var p95: Double {
            let sorted = seconds.sorted()
            return sorted.isEmpty ? .infinity : sorted[min(sorted.count - 1, Int(0.95 * Double(sorted.count)))]
        }
    }

    /// What nobody's monitor has seen by then people find: manual diagnosis takes over half an hour (Minder, arXiv:2411.01791).
    public static let patience = 1800.0

    public init(_ spec: MonitorSpec, gpus: Int) {
        self.spec = spec
        self.gpus = gpus
        streams = max(1, (spec.metrics.isEmpty ? Metric.all.count : spec.metrics.count) * gpus)
        let runLength = Double(streams) * 86_400 / spec.period / spec.falseAlarmsPerDay * Double(max(1, spec.detectors.count))
        let (tails, isHeavy) = (spec.tails, spec.tails == .student5)
        detector = DetectorSet(
            spec.detectors.map { kind -> any StreamDetector in
                switch kind {
                case .cusum: return ShiftDetector(runLength: runLength, jitter: tails)
                case .ewma:
                    let clip = isHeavy ? 3.0 : nil
                    let limit = WeightedAverage.limit(weight: 0.3, runLength: runLength, jitter: tails, clip: clip)
                    return WeightedAverage(weight: 0.3, limit: limit, clip: clip)
                case .distance: return PeerDistance(runLength: runLength, jitter: tails)
                case .changePoint: return ChangePoint(shift: 2.5, runLength: runLength, jitter: tails, clip: isHeavy ? 5 : nil)
                }
            })
    }

    /// At most, of all streams together.
    public var falseAlarmsPerDay: Double {
        Double(streams) * 86_400 / spec.period / detector.falseAlarmRunLength(spec.tails)
    }

    /// - Parameters:
    ///   - shows: how far the fault moves the metric, over its healthy value.
    ///   - windows: onsets that are played.
    public func delays(shows: Double, windows: Int = 200, seed: UInt64 = 1) -> Delays {
        var draws = RandomStream(seed: seed, purpose: "monitor", entity: UInt64((shows * 1e6).rounded()))
        let shift = shows / spec.jitter
        let most = max(1, Int(Self.patience / spec.period))
        var found: [Double] = []
        for _ in 0..<windows {
            var own = detector
            // A minute of calm: what the detector remembers when the fault comes; a false alarm in it is none of the fault's.
            for _ in 0..<60 { _ = own.take(spec.tails.draw(&draws)) }
            var count = 1
            while count <= most, !own.take(spec.tails.draw(&draws) * (1 + min(shows, 9)) + shift) { count += 1 }
            if count <= most { found.append(Double(count) * spec.period) }
        }
        return Delays(seconds: found, missed: Double(windows - found.count) / Double(windows))
    }

    /// Time from a fault until somebody knows of it.
    public func law(shows: Double) -> DurationLaw {
        let delays = delays(shows: shows)
        let missed = Int((delays.missed * 200).rounded())
        return .observed(delays.seconds + Array(repeating: Self.patience, count: missed))
    }

    /// Share of true alarms among all, and of faults that are found.
    public func score(_ mix: FaultMix) -> (precision: Double, recall: Double) {
        let recall = mix.faults.reduce(0) { sum, fault in
            sum + fault.share * (fault.shows > 0 ? 1 - delays(shows: fault.shows).missed : 0)
        }
        let found = mix.perDay * recall
        return (found / (found + falseAlarmsPerDay), recall)
    }

    /// Mean delay for budgets of false alarms a day: what patience buys.
    public func curve(shows: Double, budgets: [Double] = [0.02, 2]) -> [(falseAlarmsPerDay: Double, delay: Double)] {
        budgets.map { budget in
            var other = spec
            other.falseAlarmsPerDay = budget
            return (budget, MonitorModel(other, gpus: gpus).delays(shows: shows).mean)
        }
    }
}

/// Kinds of faults with their shares, and what each moves.
public struct FaultMix: Sendable, Hashable {
    public struct Fault: Sendable, Hashable {
        public var name: String
        /// Of all faults.
        public var share: Double
        /// By how much it moves a metric of its machine, over the healthy value; 0: nothing that is measured moves.
        public var shows: Double
    }
    public var faults: [Fault]
    public var perDay: Double

    /// Incidents of a fleet by kind (ByteRobust, arXiv:2509.16293, table 1, without manual restarts), slow machines as they were found in jobs (1.05 and
    /// 1.10: MegaScale, arXiv:2402.15627; 1.28: Lin et al. 2025; 1.34: GREYHOUND), corruption that no counter shows (6 of Llama 3's 419, arXiv:2407.21783);
    /// two a day (Minder, arXiv:2411.01791).
    public static let published: FaultMix = {
        let counts: [Double] = [19_968, 6095, 5567, 2755, 1599, 1176, 1104, 781, 203, 188, 128, 76, 47]
        let explicit = counts.reduce(0, +)
        let (hang, slow, notANumber) = (5506.0, 442.0, 148.0)
        let counted = explicit + hang + slow + notANumber
        let silent = counted * 6 / 413
        let all = counted + silent
        let slowdowns = [0.05, 0.10, 0.28, 0.34]
        var faults = [
            Fault(name: "crash", share: explicit / all, shows: 1), Fault(name: "hang", share: hang / all, shows: 1),
            Fault(name: "not a number", share: notANumber / all, shows: 1),
        ]
        for slowdown in slowdowns {
            let share = slow / all / Double(slowdowns.count)
            faults.append(Fault(name: "slow by \(Int(slowdown * 100)) %", share: share, shows: slowdown))
        }
        faults.append(Fault(name: "silent corruption", share: silent / all, shows: 0))
        return FaultMix(faults: faults, perDay: 2)
    }()

    /// Machines that turn slow, and nothing else: the hard part.
    public static let slowMachines = FaultMix(
        faults: [0.02, 0.05, 0.1, 0.28, 0.34].map { Fault(name: "slow by \(Int($0 * 100)) %", share: 0.2, shows: $0) }, perDay: 2)
}
