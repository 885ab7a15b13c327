import Calibration
import Fidelity
import Scenario
import Synchronization

/// What the user's own measured runs changed of the calibration.
public struct AnchoredReport: Sendable, Hashable {
    public struct Shift: Sendable, Hashable {
        /// Constant and scope.
        public var constant: String
        public var from: Double
        public var to: Double
    }
    /// Runs that took part.
    public var rows: Int
    public var shifted: [Shift]
    /// Runs that the rest contradicts, in words.
    public var suspects: [String]
    /// What no run says anything about.
    public var silent: [String]

    public init(_ anchoring: Anchoring) {
        rows = anchoring.rows
        shifted = anchoring.shifted.map { Shift(constant: "\($0.constant.key) of \($0.scope)", from: $0.from, to: $0.to) }
        suspects = anchoring.suspects
        silent = anchoring.silent
    }

    /// In words: how much was used and what moved most, what is doubtful, and what is left as it was.
    public var remarks: [String] {
        let most = shifted.prefix(6).map { shift in
            let factor = (shift.to / shift.from * 1000).rounded() / 1000
            return "\(shift.constant) x\(factor)"
        }
        var list = [
            "calibration updated by \(rows) measured run\(rows == 1 ? "" : "s"): "
                + (most.isEmpty ? "no constant moved by 1 %" : most.joined(separator: ", "))
                + (shifted.count > 6 ? ", and \(shifted.count - 6) more by less" : "")
        ]
        list += suspects
        if !silent.isEmpty {
            list.append("the runs say nothing about \(silent.joined(separator: ", ")): predictions there stay as wide as they were")
        }
        return list
    }
}

extension Study {
    /// The same study with the calibration updated by the user's own runs.
    /// - Throws: `CalibrationError` where none of them can be modelled.
    public func anchored(by runs: [MeasuredRun]) throws(CalibrationError) -> Study {
        let anchoring = try Anchoring(runs: runs, data: data)
        var study = self
        study.data = anchoring.data
        study.anchored = AnchoredReport(anchoring)
        return study
    }

    /// The study that a scenario's own runs (`software.runs`) make of this one; itself where there are none, or where runs were given with the call.
    /// - Throws: `ScenarioErrors` where none of the runs can be modelled.
    public func knowing(_ scenario: Scenario) throws(ScenarioErrors) -> Study {
        guard anchored == nil, !scenario.runs.isEmpty else { return self }
        let key = scenario.runs.map { "\($0.file):\($0.line) \($0.stepTimeS)" }.joined(separator: " ")
        let study: Study
        if let known = updates.known.withLock({ $0[key] }) {
            study = known
        } else {
            do throws(CalibrationError) { study = try anchored(by: scenario.runs) } catch {
                throw ScenarioErrors([
                    ScenarioError(
                        file: scenario.runs.first?.file ?? "", line: 1, column: 1, keyPath: "software.runs", reason: error.message,
                        suggestion: "give one run of this stack that the columns describe (docs/validation.md), or remove the key")
                ])
            }
            updates.known.withLock { $0[key] = study }
        }
        var own = self
        (own.data, own.anchored) = (study.data, study.anchored)
        return own
    }
}

/// Updates that scenarios of one study ask for, each computed once.
final class StudyUpdates: Sendable {
    let known = Mutex<[String: Study]>([:])
}
