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
    let updates: StudyUpdates

    public init(data: CalibrationData, jobs: Int = 1, progress: @escaping StepObserver = { _, _ in }) {
        (self.data, self.jobs, self.progress, updates) = (data, jobs, progress, StudyUpdates())
    }

    /// A study that rests on the calibration data that ship with the program.
    /// - Throws: `CalibrationError` where a data file is damaged.
    public static func shipped(jobs: Int = 1, progress: @escaping StepObserver = { _, _ in }) throws(CalibrationError) -> Study {
        Study(data: try CalibrationData.shipped(), jobs: jobs, progress: progress)
    }

    /// For one of many runs that are computed side by side.
    var single: Study {
        var study = self
        (study.jobs, study.progress) = (1, { _, _ in })
        return study
    }
}
