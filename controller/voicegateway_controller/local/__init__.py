"""The whole product on one machine: embedded servers, controller and runner in one supervised process tree."""
