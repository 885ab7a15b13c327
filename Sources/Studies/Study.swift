import Calibration
import Plan
import Scenario
import Simulation

/// The version of the program that makes an answer.
public let programVersion = "0.1.0"

/// What every question needs beside its own values. Each question is a function of a study, from values to an answer that is a value: nothing is
/// printed, and nothing is written but the journal that a caller hands in.
public struct Study: Sendable {
    public var data: CalibrationData
    /// The user's own runs that updated `data`.
    public var anchored: AnchoredReport?
    /// Threads; no answer depends on them.
    public var jobs: Int
    /// Told how many parts of the work are done, and of how many; from any thread.
    public var progress: StepObserver
    /// Asked now and then by what may be stopped early: the samples of a run of weeks done by then are its answer; a step that is not done has none.
    public var isStopped: @Sendable () -> Bool = { false }

    public init(data: CalibrationData, jobs: Int = 1, progress: @escaping StepObserver = { _, _ in }) {
        (self.data, self.jobs, self.progress) = (data, jobs, progress)
    }

    /// A study that rests on the calibration data that ship with the program.
    /// - Throws: `CalibrationError` where a data file is damaged.
    public static func shipped(jobs: Int = 1, progress: @escaping StepObserver = { _, _ in }) throws(CalibrationError) -> Study {
        Study(data: try CalibrationData.shipped(), jobs: jobs, progress: progress)
    }

    /// For one of many runs that are computed side by side.
    var single: Study {
        var study = Study(data: data)
        study.anchored = anchored
        study.isStopped = isStopped
        return study
    }
}

/// What the user's own measured runs changed of the calibration.
public struct AnchoredReport: Sendable, Hashable {
    public struct Shift: Sendable, Hashable {
        /// Constant and scope.
        public var constant: String
        public var from: Double
        public var to: Double
        public init(constant: String, from: Double, to: Double) {
            self.constant = constant
            self.from = from
            self.to = to
        }
    }
    public var rows: Int
    public var shifted: [Shift]
    public init(rows: Int, shifted: [Shift]) {
        self.rows = rows
        self.shifted = shifted
    }
}
