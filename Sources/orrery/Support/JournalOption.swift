import ArgumentParser
import Calibration
import Planner
import Studies

/// A file that keeps finished evaluations, so that a run that was killed can be taken up again.
struct JournalOption: ParsableArguments {
    @Option(
        name: .customLong("journal"),
        help: ArgumentHelp("Keep what is finished in this file; the same command takes it up again after a kill.", valueName: "file"),
        completion: .file())
    var path: String?

    /// - Throws: `InputError` where the file cannot be used, or belongs to other work.
    func open(_ work: String, identity: String) throws(InputError) -> Journal? {
        guard let path else { return nil }
        // Times of one calibration must not stand beside those of another.
        let identity = "\(programVersion) \(CalibrationFingerprint.shipped) \(identity)"
        do throws(JournalError) { return try Journal(path: path, work: work, identity: identity) } catch { throw InputError("\(error)") }
    }

    /// Says what was taken up, and whether something could not be kept.
    func report(_ journal: Journal?, _ output: OutputOptions) {
        guard let journal else { return }
        if journal.recovered > 0 { output.note("journal: \(journal.recovered) finished evaluations taken from \(journal.path)") }
        if let failure = journal.failure { Console.error("journal: \(failure); the answer stands, but a rerun starts from what was kept") }
    }
}
