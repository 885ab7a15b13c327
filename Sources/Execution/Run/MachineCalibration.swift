import Calibration
import Kernels

extension KernelTimes {
    /// The fits of a measurement file for this machine's processor; of another one where the file has no rows of this.
    /// - Returns: also a remark where the file is of another processor, or was measured with another library than this program loads.
    /// - Throws: `MeasurementFault` where the file cannot be read, `CalibrationError` where it has nothing to fit.
    public static func ofThisMachine(path: String) throws -> (times: KernelTimes, remark: String?) {
        let measurements = try MeasurementFile.read(path: path).measurements
        let here = try CPUBackend(threads: 1).description
        let device = Machine(processor: here.processor).device
        let isKnown = measurements.contains { $0.key.device == device }
        let times = try KernelTimes(measurements, device: isKnown ? device : nil)
        if !isKnown {
            return (times, "\(path) is a calibration of \(times.device), and this machine is \(device): the prediction is for the former")
        }
        let library = "\(here.library) \(here.libraryCore)"
        guard times.library.hasPrefix(library) else {
            return (times, "\(path) was measured with \(times.library), and this program runs \(library)")
        }
        return (times, nil)
    }
}
