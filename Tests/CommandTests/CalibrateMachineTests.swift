import Foundation
import Testing

@Suite struct CalibrateMachineTests {
    @Test func withoutThePluginTheCommandSaysWhatToDo() throws {
        let folder = try Folder()
        let outcome = try Program.run(
            "calibrate", "cuda", "--output", folder.path("gpu.csv"), "--plugin", folder.path("liborrery_cuda.so"))
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("liborrery_cuda.so") && outcome.errors.contains("make cuda"))
        // Nothing is left behind.
        #expect(!FileManager.default.fileExists(atPath: folder.path("gpu.csv")))
        let plan = try Program.run("calibrate", "cuda", "--plan")
        #expect(plan.status == 0 && plan.output.hasPrefix("gemm e4m3 tn") && plan.output.split(separator: "\n").count > 4000)
    }

    @Test func badOptionsAreRefusedBeforeAnythingIsTimed() throws {
        let folder = try Folder()
        let file = folder.path("cpu.csv")
        let cases: [(arguments: [String], message: String)] = [
            (["calibrate", "cpu"], "give --output FILE"),
            (["calibrate", "cuda"], "give --output FILE"),
            (["calibrate", "cpu", "--output", "/no/such/folder/cpu.csv"], "/no/such/folder/cpu.csv: cannot be written"),
            (["calibrate", "cpu", "--output", file, "--budget", "soon"], "--budget soon: write a number with s, min or h"),
            (["calibrate", "cpu", "--output", file, "--budget", "0.5s"], "it must be 1 s to 1 day"),
            (["calibrate", "cpu", "--output", file, "--only", "relu,foo"], "\"foo\" is no kernel; one or several of gemm_nn"),
            (["calibrate", "cpu", "--output", file, "--only", ""], "\"\" is no kernel"),
            (["calibrate", "cpu", "--output", file, "--threads", "0"], "it must be 1 to 1024"),
            (["calibrate", "cpu", "--output", file, "--quantile", "0.9"], "at most 0.5"),
            (["calibrate", "cpu", "--check-file", file, "--resume"], "measures nothing"),
            (["calibrate", "cpu", "--check-file", file], "there is no such file"),
            (["calibrate", "cuda", "--output", file, "--budget=-3"], "write a number"),
        ]
        for (arguments, message) in cases {
            let outcome = try Program.run(arguments)
            #expect(outcome.status == 2, "\(arguments)")
            #expect(outcome.errors.contains(message), "\(arguments): \(outcome.errors)")
        }
    }

    /// The command measures links with a process of its own, writes rows at once, refuses an existing file, and goes on with --resume.
    @Test func aShortCalibrationWritesLinksAndResumes() throws {
        let folder = try Folder()
        let file = folder.path("cpu.csv")
        let first = try Program.run("calibrate", "cpu", "--output", file, "--budget", "5s", "--quiet")
        #expect(first.status == 0, "\(first.errors)")
        #expect(first.output.contains("left for --resume"))
        let text = try String(contentsOfFile: file, encoding: .utf8)
        #expect(text.contains("send_receive,loopback socket") && text.contains("send_receive,shared memory"))
        let again = try Program.run("calibrate", "cpu", "--output", file, "--budget", "1s")
        #expect(again.status == 2 && again.errors.contains("the file exists; add --resume"))
        let resumed = try Program.run("calibrate", "cpu", "--output", file, "--budget", "2s", "--resume", "--quiet")
        #expect(resumed.status == 0 && resumed.output.contains("were there before"))
        #expect(try String(contentsOfFile: file, encoding: .utf8).hasPrefix(text))
        let damaged = try folder.write("kernel,devise\n", as: "damaged.csv")
        let refused = try Program.run("calibrate", "cpu", "--output", damaged, "--resume", "--budget", "1s")
        #expect(refused.status == 2 && refused.errors.contains("damaged.csv:1"))
    }
}
