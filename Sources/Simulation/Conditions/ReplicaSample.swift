import CGSL
import Engine
import Quantities

/// Some replicas that stand for all, and what all wait for beyond the last of these.
///
/// Replicas arrive at a meeting independently of each other, after many passes each: about normally. The last of n is expected a(n) deviations after the mean,
/// where a(n) = P^-1((n - 3/8) / (n + 1/4)) with the normal's quantile P^-1 (Blom 1958, "Statistical Estimates and Transformed Beta-Variables"); so of n
/// replicas the last comes a(n) - a(k) deviations after the last of a sample of k.
struct ReplicaSample {
    let lanes: Int
    let replicas: Int
    /// From so many on a sample's deviation says enough.
    static let fewest = 8

    /// nil where every replica is simulated, or too few are.
    init?(lanes: Int, of replicas: Int) {
        guard lanes >= Self.fewest, lanes < replicas else { return nil }
        self.lanes = lanes
        self.replicas = replicas
    }

    /// Expected maximum of n independent standard normals.
    static func expectedMaximum(_ n: Double) -> Double { n > 1 ? gsl_cdf_ugaussian_Pinv((n - 0.375) / (n + 0.25)) : 0 }

    /// Gives meetings of lanes the duration by which the last replica comes after the last lane.
    /// - Parameter nominal: [lanes] whether nothing but chance slows a lane: only these stand for others.
    /// - Throws: `Fault` for durations that cannot be added up.
    func delayMeetings(of graph: StepGraph, nominal: [Bool], durations: inout [Int64]) throws(Fault) {
        var times = CriticalTimes()
        do throws(TaskGraphError) { try graph.graph.longestPath(durations: durations, into: &times) } catch {
            throw Fault(reason: "the step cannot be timed: \(error)")
        }
        let alike = nominal.count { $0 }
        guard alike >= Self.fewest else { return }
        let behind = Self.expectedMaximum(Double(alike) * Double(replicas) / Double(lanes)) - Self.expectedMaximum(Double(alike))
        for task in graph.place.indices where graph.place[task] < 0 {
            // [lanes] when each is ready, nanoseconds; -1 for one that does not meet here.
            var ready = [Int64](repeating: -1, count: lanes)
            for (other, _) in graph.graph.dependencies(of: TaskID(task)) where graph.place[other.index] >= 0 {
                let lane = Int(graph.place[other.index]) / graph.ranks
                ready[lane] = max(ready[lane], times.times.finish[other.index])
            }
            let arrivals = ready.indices.filter { ready[$0] >= 0 && nominal[$0] }.map { Double(ready[$0]) }
            guard arrivals.count >= Self.fewest, let last = arrivals.max() else { continue }
            let mean = arrivals.reduce(0, +) / Double(arrivals.count)
            let variance = arrivals.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(arrivals.count - 1)
            // A lane that is slowed may be later than any of chance.
            let later = last + behind * variance.squareRoot() - Double(ready.max() ?? 0)
            if later >= 1 { durations[task] = Int64(later.rounded()) }
        }
    }
}
