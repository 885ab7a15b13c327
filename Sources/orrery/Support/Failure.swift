import ArgumentParser
import Calibration
import Cost
import Plan
import Report
import Scenario
import Simulation

extension ExitCode {
    /// Done, but the answer is "does not fit" or "does not hold".
    static let doesNotHold = ExitCode(1)
    static let badInput = ExitCode(2)
    static let internalFault = ExitCode(3)
}

/// What is wrong with the input: a line for each fault.
struct InputError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Says on standard error what went wrong, and maps it to the exit status.
func exitStatus(reporting error: any Error) -> Int32 {
    switch error {
    case let code as ExitCode: return code.rawValue
    case is ScenarioErrors, is InputError, is MeasurementFault, is FileError, is ReportError:
        Console.error("\(error)")
        return ExitCode.badInput.rawValue
    default:
        switch Orrery.exitCode(for: error) {
        // --help and --version arrive as errors.
        case .success:
            try? Console.output(Orrery.fullMessage(for: error) + "\n")
            return ExitCode.success.rawValue
        case .validationFailure:
            Console.error(Orrery.fullMessage(for: error))
            return ExitCode.badInput.rawValue
        default:
            Console.error("orrery: internal fault: \(error)")
            return ExitCode.internalFault.rawValue
        }
    }
}
