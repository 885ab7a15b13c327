import Engine
import Lifetime
import Testing

@Suite("Monitors")
struct MonitorModelTests {
    @Test("Over 300 metrics, each with its own name, a unit and a meaning")
    func catalogue() {
        #expect(Metric.all.count > 300)
        #expect(Set(Metric.all.map(\.name)).count == Metric.all.count)
        #expect(Metric.all.allSatisfy { !$0.unit.isEmpty && !$0.help.isEmpty })
        #expect(Metric.all.allSatisfy { $0.name.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "_") } })
    }

    /// 300 metrics and more of 1,024 GPUs, a sample a second, 0.2 false alarms a day.
    private static let gaussian = MonitorModel(MonitorSpec(), gpus: 1024)
    private static let heavy: MonitorModel = {
        var spec = MonitorSpec()
        spec.tails = .student5
        return MonitorModel(spec, gpus: 1024)
    }()

    @Test("Delays of the default monitor within 0.2 false alarms a day")
    func delays() {
        for model in [Self.gaussian, Self.heavy] { #expect(model.falseAlarmsPerDay <= 0.201) }
        #expect(Self.gaussian.delays(shows: 0.05).mean <= 9)
        for slowdown in [0.1, 0.2, 0.5, 1] { #expect(Self.gaussian.delays(shows: slowdown).mean <= 3, "\(slowdown)") }
        for slowdown in [0.1, 0.2, 0.5] { #expect(Self.heavy.delays(shows: slowdown).mean <= 6.2, "\(slowdown)") }
    }

    @Test("Precision and recall on published faults, two a day")
    func score() {
        let (precision, recall) = Self.gaussian.score(.published)
        #expect(precision >= 0.90 && recall >= 0.88)
        #expect(abs(FaultMix.published.faults.reduce(0) { $0 + $1.share } - 1) < 1e-12)
    }

    @Test("The chain of the moving average gives the simulated run length")
    func average() {
        let limit = WeightedAverage.limit(weight: 0.1, runLength: 1000, jitter: .gaussian)
        var draws = RandomStream(seed: 3, purpose: "ewma")
        var total = 0
        let runs = 400
        for _ in 0..<runs {
            var own = WeightedAverage(weight: 0.1, limit: limit)
            repeat { total += 1 } while !own.take(draws.normal())
        }
        #expect(abs(Double(total) / Double(runs) - 1000) < 3 * 1000 / 20)
        // Far out: 307,200 streams, 0.2 false alarms a day.
        #expect(abs(WeightedAverage.limit(weight: 0.1, runLength: 307_200 * 86_400 / 0.2, jitter: .gaussian) - 6.75) < 0.15)
    }

    @Test("Shiryaev and Roberts' statistic keeps its bound, clipped and with heavy tails too")
    func changePoint() {
        for (jitter, clip) in [(Jitter.gaussian, Double?.none), (.student5, 3)] {
            var draws = RandomStream(seed: 4, purpose: "change")
            var total = 0
            let runs = 300
            for _ in 0..<runs {
                var own = ChangePoint(shift: 1, runLength: 200, jitter: jitter, clip: clip)
                repeat { total += 1 } while !own.take(jitter.draw(&draws))
            }
            // At least the bound; the overshoot makes it longer by less than e^shift.
            let mean = Double(total) / Double(runs)
            #expect(mean > 200 * (1 - 3 / Double(runs).squareRoot()) && mean < 200 * 2.8)
        }
    }

    @Test("A single sample's limit is the quantile of its tail")
    func distance() {
        let limit = PeerDistance(runLength: 307_200 * 86_400 / 0.2, jitter: .gaussian).limit
        #expect(abs(limit - 6.68) < 0.2)
        // Heavy tails put it at hundreds of deviations.
        #expect(PeerDistance(runLength: 307_200 * 86_400 / 0.2, jitter: .student5).limit > 100)
    }

    @Test("Moving averages, counters and peers")
    func aggregates() {
        var average = MovingAverage(window: 3)
        for sample in [1.0, 2, 3, 4, 5] { average.take(sample) }
        #expect(average.mean == 4 && average.variance == 1 && average.count == 3)
        var counter = RateCounter()
        counter.take(10, at: 0)
        counter.take(30, at: 2)
        #expect(counter.rate == 10)
        // The process restarted: what it counted since is its new value.
        counter.take(5, at: 3)
        #expect(counter.rate == 5)
        let peers = PeerGroup([10, 10.1, 9.9, 10.05, 9.95, 20])
        #expect(abs(peers.median - 10.025) < 1e-9 && peers.most == 20)
        #expect(peers.distance(20) > 50 && abs(peers.distance(10)) < 1)
    }
}
