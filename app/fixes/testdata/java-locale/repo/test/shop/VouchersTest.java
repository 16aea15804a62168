package shop;

import java.util.Map;

public final class VouchersTest {
    public static void main(String[] args) {
        Vouchers v = new Vouchers(Map.of("WINTER10", 10, "SUMMER20", 20));
        check(v.of("SUMMER20") == 20, "capital letters");
        check(v.of(" summer20 ") == 20, "small letters");
        check(v.of("nothing") == 0, "no voucher");
        System.out.println("ok");
    }

    static void check(boolean ok, String what) {
        if (!ok) {
            throw new AssertionError(what);
        }
    }
}
